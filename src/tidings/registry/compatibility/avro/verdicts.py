"""Which changes of an Avro schema break a reader.

The kinds that break are those of Apache Avro's SchemaCompatibility, by its names. It does not tell the others.
"""

from __future__ import annotations

from typing import Final

from tidings.registry.compatibility.change import Verdicts, breaking, fine

VERDICTS: Final = Verdicts(
    (
        breaking("TYPE_MISMATCH", "{detail}: {reader}'s type cannot hold what {writer}'s type wrote"),
        breaking("NAME_MISMATCH", "{reader}'s type has another name than {writer}, and no alias for it ({detail})"),
        breaking("FIXED_SIZE_MISMATCH", "{reader}'s fixed type has another size than {writer} ({detail})"),
        breaking(
            "MISSING_ENUM_SYMBOLS", "{reader}'s enum does not know the symbols {detail}, and has no default for them"
        ),
        breaking("MISSING_UNION_BRANCH", "{reader}'s union has nothing that could hold {detail} of {writer}"),
        breaking(
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "{writer}'s record does not have the field {detail}, and {reader} has no default for it",
        ),
        breaking(
            "FIELD_MATCHES_SEVERAL", "the field {detail} of {reader}'s record has aliases for several of {writer}"
        ),
        fine("TYPE_PROMOTED", "{reader}'s type can hold all that {writer} could ({detail})"),
        fine("RENAMED", "{reader}'s type has another name, and an alias for that of {writer} ({detail})"),
        fine(
            "NAMESPACE_CHANGED",
            "{reader}'s type is in another namespace ({detail}): only the last part of a name counts",
        ),
        fine("FIELD_ADDED", "{reader}'s record has the field {detail} as well, and a default for it"),
        fine("FIELD_REMOVED", "{reader}'s record no longer has the field {detail}, and passes over it"),
        fine("FIELD_RENAMED", "a field of {reader}'s record has an alias for that of {writer} ({detail})"),
        fine("DEFAULT_CHANGED", "{reader}'s default is another: it matters where the field was not written"),
        fine("ENUM_SYMBOLS_ADDED", "{reader}'s enum has the symbols {detail} as well"),
        fine(
            "ENUM_SYMBOLS_DEFAULTED",
            "{reader}'s enum does not know the symbols {detail}, and reads them as its default",
        ),
        fine("UNION_EXTENDED", "{reader}'s union has {detail} as well"),
        fine("UNION_NARROWED", "{reader}'s type is no union any more, but can hold all that {writer} could"),
        fine("LOGICAL_TYPE_CHANGED", "the bytes are read, but may mean something else now ({detail})"),
        fine("DOC_CHANGED", "it is described in other words"),
    )
)
