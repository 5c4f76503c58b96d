"""The files that every compiler of Protocol Buffers brings along, and what Confluent's registry adds: nobody has to
give them as references. Only the names of what is in them are known, for they do not change.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class WellKnown(NamedTuple):
    package: str
    messages: str = ""
    """Separated by spaces, as the enums."""
    enums: str = ""


FILES: Final[dict[str, WellKnown]] = {
    "google/protobuf/any.proto": WellKnown("google.protobuf", "Any"),
    "google/protobuf/api.proto": WellKnown("google.protobuf", "Api Method Mixin"),
    "google/protobuf/descriptor.proto": WellKnown(
        "google.protobuf",
        "FileDescriptorSet FileDescriptorProto DescriptorProto ExtensionRangeOptions FieldDescriptorProto "
        "OneofDescriptorProto EnumDescriptorProto EnumValueDescriptorProto ServiceDescriptorProto "
        "MethodDescriptorProto FileOptions MessageOptions FieldOptions OneofOptions EnumOptions EnumValueOptions "
        "ServiceOptions MethodOptions UninterpretedOption SourceCodeInfo GeneratedCodeInfo FeatureSet",
        "Edition FieldDescriptorProto.Type FieldDescriptorProto.Label FileOptions.OptimizeMode FieldOptions.CType "
        "FieldOptions.JSType MethodOptions.IdempotencyLevel",
    ),
    "google/protobuf/duration.proto": WellKnown("google.protobuf", "Duration"),
    "google/protobuf/empty.proto": WellKnown("google.protobuf", "Empty"),
    "google/protobuf/field_mask.proto": WellKnown("google.protobuf", "FieldMask"),
    "google/protobuf/source_context.proto": WellKnown("google.protobuf", "SourceContext"),
    "google/protobuf/struct.proto": WellKnown("google.protobuf", "Struct Value ListValue", "NullValue"),
    "google/protobuf/timestamp.proto": WellKnown("google.protobuf", "Timestamp"),
    "google/protobuf/type.proto": WellKnown(
        "google.protobuf", "Type Field Enum EnumValue Option", "Syntax Field.Kind Field.Cardinality"
    ),
    "google/protobuf/wrappers.proto": WellKnown(
        "google.protobuf",
        "DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue",
    ),
    "google/type/calendar_period.proto": WellKnown("google.type", enums="CalendarPeriod"),
    "google/type/color.proto": WellKnown("google.type", "Color"),
    "google/type/date.proto": WellKnown("google.type", "Date"),
    "google/type/datetime.proto": WellKnown("google.type", "DateTime TimeZone"),
    "google/type/dayofweek.proto": WellKnown("google.type", enums="DayOfWeek"),
    "google/type/decimal.proto": WellKnown("google.type", "Decimal"),
    "google/type/expr.proto": WellKnown("google.type", "Expr"),
    "google/type/fraction.proto": WellKnown("google.type", "Fraction"),
    "google/type/interval.proto": WellKnown("google.type", "Interval"),
    "google/type/latlng.proto": WellKnown("google.type", "LatLng"),
    "google/type/money.proto": WellKnown("google.type", "Money"),
    "google/type/month.proto": WellKnown("google.type", enums="Month"),
    "google/type/phone_number.proto": WellKnown("google.type", "PhoneNumber PhoneNumber.ShortCode"),
    "google/type/postal_address.proto": WellKnown("google.type", "PostalAddress"),
    "google/type/quaternion.proto": WellKnown("google.type", "Quaternion"),
    "google/type/timeofday.proto": WellKnown("google.type", "TimeOfDay"),
    "confluent/meta.proto": WellKnown("confluent", "Meta"),
    "confluent/type/decimal.proto": WellKnown("confluent.type", "Decimal"),
}
