// PlaytraceText.h - the engine's text and attributes, and ours
#pragma once

#include "CoreMinimal.h"
#include "PlaytraceTypes.h"
#include "Portable/Attributes.h"

#include <string>

namespace PlaytraceText
{

inline std::string ToUtf8(const FString &Text)
{
    const FTCHARToUTF8 Converted(*Text, Text.Len());

    return std::string(reinterpret_cast<const char *>(Converted.Get()),
                       static_cast<std::size_t>(Converted.Length()));
}

inline FString FromUtf8(const std::string &Text)
{
    return FString(UTF8_TO_TCHAR(Text.c_str()));
}

PlaytracePortable::FAttributes ToAttributes(const TArray<FPlaytraceAttribute> &Attributes);

} // namespace PlaytraceText
