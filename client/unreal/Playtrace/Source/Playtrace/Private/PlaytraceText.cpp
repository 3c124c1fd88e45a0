// PlaytraceText.cpp - the engine's text and attributes, and ours
#include "PlaytraceText.h"

namespace PlaytraceText
{

using PlaytracePortable::FAttribute;
using PlaytracePortable::FAttributes;

static FAttribute ToAttribute(const FPlaytraceAttribute &Attribute)
{
    switch (Attribute.Type) {
    case EPlaytraceValue::Integer:
        return FAttribute::MakeInteger(ToUtf8(Attribute.Key), Attribute.Integer);
    case EPlaytraceValue::Number:
        return FAttribute::MakeNumber(ToUtf8(Attribute.Key), Attribute.Number);
    case EPlaytraceValue::Boolean:
        return FAttribute::MakeBoolean(ToUtf8(Attribute.Key), Attribute.bBoolean);
    case EPlaytraceValue::Json:
        return FAttribute::MakeJson(ToUtf8(Attribute.Key), ToUtf8(Attribute.Text));
    case EPlaytraceValue::Text:
        break;
    }
    return FAttribute::MakeText(ToUtf8(Attribute.Key), ToUtf8(Attribute.Text));
}

FAttributes ToAttributes(const TArray<FPlaytraceAttribute> &Attributes)
{
    FAttributes Converted;

    Converted.reserve(static_cast<std::size_t>(Attributes.Num()));
    for (const FPlaytraceAttribute &Attribute : Attributes) {
        Converted.push_back(ToAttribute(Attribute));
    }
    return Converted;
}

} // namespace PlaytraceText
