/*
 * Attributes.h - names and attributes as engines write them, into events as Playtrace wants them
 *
 * No engine header is included here. Texts are UTF-8.
 */
#pragma once

#include "playtrace.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace PlaytracePortable
{

/* An attribute that lives: the defaults of a provider, what a Blueprint put together. */
struct FAttribute {
    enum class EKind { Text, Integer, Number, Boolean, Json };

    std::string Key;
    EKind Kind = EKind::Text;
    std::string Text; /* Text and Json */
    std::int64_t Integer = 0;
    double Number = 0;
    bool Boolean = false;

    static FAttribute MakeText(std::string InKey, std::string Value);
    static FAttribute MakeInteger(std::string InKey, std::int64_t Value);
    static FAttribute MakeNumber(std::string InKey, double Value);
    static FAttribute MakeBoolean(std::string InKey, bool Value);
    static FAttribute MakeJson(std::string InKey, std::string Value);
};

using FAttributes = std::vector<FAttribute>;

/*
 * An event's name of the engine as one of ours, [A-Za-z][A-Za-z0-9_.]* of at most 64 bytes:
 * "Item Purchase" -> "Item_Purchase", "3DTouch" -> "e_3DTouch". A run of other bytes is one '_';
 * what is longer ends in '_' and eight hex digits of its checksum, so that two long names stay two.
 * "" stays "", which is refused.
 */
std::string EventName(std::string_view Name);

/* 64 hex digits as a key of 32 bytes. False: it is something else, and `OutKey` is not to be used.
 */
bool ParseKey(std::string_view Hex, std::uint8_t (&OutKey)[PLAYTRACE_KEY_BYTES]);

/*
 * Send one event: `Attributes`, then those of `Defaults` whose keys are not there yet. The whole of
 * them may take PLAYTRACE_EVENT_BYTES_MAX. What cannot be sent is left out, and said in
 * the log.
 */
Playtrace::Status TrackAttributes(Playtrace::Client &Client, std::string_view Name,
                                  const FAttributes &Attributes, const FAttributes &Defaults,
                                  Playtrace::Priority Priority);

} // namespace PlaytracePortable
