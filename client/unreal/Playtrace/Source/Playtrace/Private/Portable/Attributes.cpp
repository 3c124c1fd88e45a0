/*
 * Attributes.cpp - names and attributes as engines write them, into events as Playtrace wants them
 */
#include "Portable/Attributes.h"

#include <cstdio>
#include <memory>

namespace PlaytracePortable
{

FAttribute FAttribute::MakeText(std::string InKey, std::string Value)
{
    FAttribute Made;

    Made.Key = std::move(InKey);
    Made.Text = std::move(Value);
    return Made;
}

FAttribute FAttribute::MakeInteger(std::string InKey, std::int64_t Value)
{
    FAttribute Made;

    Made.Key = std::move(InKey);
    Made.Kind = EKind::Integer;
    Made.Integer = Value;
    return Made;
}

FAttribute FAttribute::MakeNumber(std::string InKey, double Value)
{
    FAttribute Made;

    Made.Key = std::move(InKey);
    Made.Kind = EKind::Number;
    Made.Number = Value;
    return Made;
}

FAttribute FAttribute::MakeBoolean(std::string InKey, bool Value)
{
    FAttribute Made;

    Made.Key = std::move(InKey);
    Made.Kind = EKind::Boolean;
    Made.Boolean = Value;
    return Made;
}

FAttribute FAttribute::MakeJson(std::string InKey, std::string Value)
{
    FAttribute Made;

    Made.Key = std::move(InKey);
    Made.Kind = EKind::Json;
    Made.Text = std::move(Value);
    return Made;
}

static bool IsLetter(char C)
{
    return (C >= 'A' && C <= 'Z') || (C >= 'a' && C <= 'z');
}

static bool IsNameByte(char C)
{
    return IsLetter(C) || (C >= '0' && C <= '9') || C == '_' || C == '.';
}

/* FNV-1a: told apart is all that the end of a long name must be. */
static unsigned Checksum(std::string_view Text)
{
    unsigned Sum = 2166136261u;

    for (char C : Text) {
        Sum = (Sum ^ static_cast<unsigned char>(C)) * 16777619u;
    }
    return Sum;
}

std::string EventName(std::string_view Name)
{
    std::string Made;
    bool bIsGap = false;

    for (char C : Name) {
        if (IsNameByte(C)) {
            Made.push_back(C);
            bIsGap = false;
        } else if (!bIsGap) {
            Made.push_back('_');
            bIsGap = true;
        }
    }
    if (!Made.empty() && !IsLetter(Made[0])) {
        Made.insert(0, Made[0] == '_' ? "e" : "e_");
    }
    if (Made.size() > PLAYTRACE_NAME_BYTES_MAX) {
        char End[10];

        (void)std::snprintf(End, sizeof(End), "_%08x", Checksum(Name));
        Made.resize(PLAYTRACE_NAME_BYTES_MAX - 9);
        Made += End;
    }
    return Made;
}

static int HexDigit(char C)
{
    if (C >= '0' && C <= '9') {
        return C - '0';
    }
    if (C >= 'a' && C <= 'f') {
        return C - 'a' + 10;
    }
    return C >= 'A' && C <= 'F' ? C - 'A' + 10 : -1;
}

bool ParseKey(std::string_view Hex, std::uint8_t (&OutKey)[PLAYTRACE_KEY_BYTES])
{
    if (Hex.size() != 2 * sizeof(OutKey)) {
        return false;
    }
    for (std::size_t I = 0; I < sizeof(OutKey); I++) {
        const int High = HexDigit(Hex[2 * I]);
        const int Low = HexDigit(Hex[2 * I + 1]);

        if (High < 0 || Low < 0) {
            return false;
        }
        OutKey[I] = static_cast<std::uint8_t>(High * 16 + Low);
    }
    return true;
}

static void Add(Playtrace::Event &Event, const FAttribute &Attribute)
{
    switch (Attribute.Kind) {
    case FAttribute::EKind::Text:
        Event.add(Attribute.Key, Attribute.Text);
        break;
    case FAttribute::EKind::Integer:
        Event.add(Attribute.Key, Attribute.Integer);
        break;
    case FAttribute::EKind::Number:
        Event.add(Attribute.Key, Attribute.Number);
        break;
    case FAttribute::EKind::Boolean:
        Event.add(Attribute.Key, Attribute.Boolean);
        break;
    case FAttribute::EKind::Json:
        Event.add(Attribute.Key, Playtrace::Json{Attribute.Text});
        break;
    }
}

static bool Has(const FAttributes &Attributes, const std::string &Key)
{
    for (const FAttribute &Attribute : Attributes) {
        if (Attribute.Key == Key) {
            return true;
        }
    }
    return false;
}

/* An attribute's bytes as JSON at most: what bounds the buffer of an event. */
static std::size_t BytesMax(const FAttributes &Attributes)
{
    std::size_t Bytes = 0;

    for (const FAttribute &Attribute : Attributes) {
        Bytes += 6 * (Attribute.Key.size() + Attribute.Text.size()) + 48;
    }
    return Bytes;
}

static Playtrace::Status Track(Playtrace::Client &Client, Playtrace::Event &Event,
                               const FAttributes &Attributes, const FAttributes &Defaults,
                               Playtrace::Priority Priority)
{
    Event.priority(Priority);
    for (const FAttribute &Attribute : Attributes) {
        Add(Event, Attribute);
    }
    for (const FAttribute &Attribute : Defaults) {
        if (!Has(Attributes, Attribute.Key)) {
            Add(Event, Attribute);
        }
    }
    return Client.track(Event);
}

Playtrace::Status TrackAttributes(Playtrace::Client &Client, std::string_view Name,
                                  const FAttributes &Attributes, const FAttributes &Defaults,
                                  Playtrace::Priority Priority)
{
    const std::string OurName = EventName(Name);

    if (BytesMax(Attributes) + BytesMax(Defaults) < PLAYTRACE_EVENT_OWN_BYTES) {
        Playtrace::Event Event(OurName);

        return Track(Client, Event, Attributes, Defaults, Priority);
    }
    std::unique_ptr<char[]> Buffer(new char[PLAYTRACE_EVENT_BYTES_MAX]);
    Playtrace::Event Event(OurName, Buffer.get(), PLAYTRACE_EVENT_BYTES_MAX);

    return Track(Client, Event, Attributes, Defaults, Priority);
}

} // namespace PlaytracePortable
