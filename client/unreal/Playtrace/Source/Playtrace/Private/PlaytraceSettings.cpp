// PlaytraceSettings.cpp - Project Settings > Plugins > Playtrace
#include "PlaytraceSettings.h"

FName UPlaytraceSettings::GetCategoryName() const
{
    return FName(TEXT("Plugins"));
}
