"""Which changes of an Avro schema break a reader.

The kinds that break are those of Apache Avro's SchemaCompatibility, by its names. It does not tell the others.
"""

from __future__ import annotations

from typing import Final

from tidings.registry.compatibility.change import Verdicts, breaking, fine

VERDICTS: Final = Verdicts(
    (
        breaking("TYPE_MISMATCH", "{detail}: {reader} type cannot hold what {writer} type wrote"),
        breaking("NAME_MISMATCH", "{reader} type has another name than {writer}, and no alias for it ({detail})"),
        breaking("FIXED_SIZE_MISMATCH", "{reader} fixed type has another size than {writer} ({detail})"),
        breaking(
            "MISSING_ENUM_SYMBOLS", "{reader} enum does not know the symbols {detail}, and has no default for them"
        ),
        breaking("MISSING_UNION_BRANCH", "{reader} union has nothing that could hold {detail} of {writer}"),
        breaking(
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            "{writer} record does not have the field {detail}, and {reader} has no default for it",
        ),
        breaking("FIELD_MATCHES_SEVERAL", "the field {detail} of {reader} record has aliases for several of {writer}"),
        fine("TYPE_PROMOTED", "{reader} type can hold all that {writer} could ({detail})"),
        fine("RENAMED", "{reader} type has another name, and an alias for that of {writer} ({detail})"),
        fine(
            "NAMESPACE_CHANGED", "{reader} type is in another namespace ({detail}): only the last part of a name counts"
        ),
        fine("FIELD_ADDED", "{reader} record has the field {detail} as well, and a default for it"),
        fine("FIELD_REMOVED", "{reader} record no longer has the field {detail}, and passes over it"),
        fine("FIELD_RENAMED", "a field of {reader} record has an alias for that of {writer} ({detail})"),
        fine("DEFAULT_CHANGED", "{reader} default is another: it matters where the field was not written"),
        fine("ENUM_SYMBOLS_ADDED", "{reader} enum has the symbols {detail} as well"),
        fine(
            "ENUM_SYMBOLS_DEFAULTED", "{reader} enum does not know the symbols {detail}, and reads them as its default"
        ),
        fine("UNION_EXTENDED", "{reader} union has {detail} as well"),
        fine("UNION_NARROWED", "{reader} type is no union any more, but can hold all that {writer} could"),
        fine("LOGICAL_TYPE_CHANGED", "the bytes are read, but may mean something else now ({detail})"),
        fine("DOC_CHANGED", "it is described in other words"),
    )
)
