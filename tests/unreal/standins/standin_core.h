/*
 * standin_core.h - a stand-in for what the plugin uses of Unreal's Core and CoreUObject
 *
 * Written for the tests from the signatures in Unreal Engine 5.3's public documentation. It is not
 * the engine: it shows that the plugin's calls fit those signatures, and lets them run on this
 * machine. Only what is used is here.
 */
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

typedef std::uint8_t uint8;
typedef std::int32_t int32;
typedef std::uint32_t uint32;
typedef std::int64_t int64;
typedef std::uint64_t uint64;
typedef char16_t TCHAR;
typedef char ANSICHAR;

#define TEXT(text) u##text
#define INDEX_NONE (-1)
#define PLATFORM_WINDOWS 0
#define PLATFORM_IOS 0
#define PLATFORM_ANDROID 0
#define PLATFORM_DESKTOP 1
#define PLAYTRACE_API
#ifndef ENGINE_MINOR_VERSION
#define ENGINE_MINOR_VERSION 3
#endif
#define ENGINE_MAJOR_VERSION 5

#define UCLASS(...)
#define USTRUCT(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)

template <typename T> std::remove_reference_t<T> &&MoveTemp(T &&Value)
{
    return static_cast<std::remove_reference_t<T> &&>(Value);
}

template <typename T> T CopyTemp(const T &Value)
{
    return Value;
}

/* ---- text ---- */

namespace StandIn
{
std::string Narrow(const TCHAR *Text, std::size_t Count);
std::u16string Wide(const char *Text);
} // namespace StandIn

class FTCHARToUTF8
{
  public:
    explicit FTCHARToUTF8(const TCHAR *Text)
        : FTCHARToUTF8(Text, static_cast<int32>(std::char_traits<TCHAR>::length(Text)))
    {
    }
    FTCHARToUTF8(const TCHAR *Text, int32 Count)
        : Made(StandIn::Narrow(Text, static_cast<std::size_t>(Count)))
    {
    }
    const ANSICHAR *Get() const
    {
        return Made.c_str();
    }
    int32 Length() const
    {
        return static_cast<int32>(Made.size());
    }

  private:
    std::string Made;
};

class FUTF8ToTCHAR
{
  public:
    explicit FUTF8ToTCHAR(const ANSICHAR *Text) : Made(StandIn::Wide(Text))
    {
    }
    const TCHAR *Get() const
    {
        return Made.c_str();
    }

  private:
    std::u16string Made;
};

#define TCHAR_TO_UTF8(text) (ANSICHAR *)FTCHARToUTF8((const TCHAR *)text).Get()
#define UTF8_TO_TCHAR(text) (TCHAR *)FUTF8ToTCHAR((const ANSICHAR *)text).Get()

class FString
{
  public:
    FString() = default;
    FString(const TCHAR *Text) : Data(Text ? Text : u"")
    {
    }
    const TCHAR *operator*() const
    {
        return Data.c_str();
    }
    int32 Len() const
    {
        return static_cast<int32>(Data.size());
    }
    bool IsEmpty() const
    {
        return Data.empty();
    }
    FString &operator+=(const FString &Other)
    {
        Data += Other.Data;
        return *this;
    }
    friend FString operator+(FString Left, const FString &Right)
    {
        return Left += Right;
    }
    bool operator==(const FString &Other) const
    {
        return Data == Other.Data;
    }
    bool FindLastChar(TCHAR Char, int32 &Index) const
    {
        const std::size_t At = Data.rfind(Char);

        Index = At == std::u16string::npos ? INDEX_NONE : static_cast<int32>(At);
        return Index != INDEX_NONE;
    }

  private:
    std::u16string Data;
};

class FName
{
  public:
    explicit FName(const TCHAR *)
    {
    }
};

/* ---- containers ---- */

template <typename T> class TArray
{
  public:
    TArray() = default;
    TArray(std::initializer_list<T> Items) : Data(Items)
    {
    }
    int32 Num() const
    {
        return static_cast<int32>(Data.size());
    }
    const T *GetData() const
    {
        return Data.data();
    }
    int32 Add(const T &Item)
    {
        Data.push_back(Item);
        return Num() - 1;
    }
    void Append(const T *Items, int32 Count)
    {
        Data.insert(Data.end(), Items, Items + Count);
    }
    int32 RemoveSingleSwap(const T &Item)
    {
        for (std::size_t I = 0; I < Data.size(); I++) {
            if (Data[I] == Item) {
                Data[I] = Data.back();
                Data.pop_back();
                return 1;
            }
        }
        return 0;
    }
    const T &operator[](int32 Index) const
    {
        return Data.at(static_cast<std::size_t>(Index));
    }
    auto begin() const
    {
        return Data.begin();
    }
    auto end() const
    {
        return Data.end();
    }

  private:
    std::vector<T> Data;
};

template <typename T> using TFunction = std::function<T>;

/* ---- shared pointers ---- */

enum class ESPMode { NotThreadSafe, ThreadSafe };

template <typename T, ESPMode Mode = ESPMode::ThreadSafe> class TSharedRef
{
  public:
    explicit TSharedRef(std::shared_ptr<T> InData) : Data(std::move(InData))
    {
    }
    T *operator->() const
    {
        return Data.get();
    }
    T &operator*() const
    {
        return *Data;
    }
    std::shared_ptr<T> Data;
};

template <typename T, ESPMode Mode = ESPMode::ThreadSafe> class TSharedPtr
{
  public:
    TSharedPtr() = default;
    TSharedPtr(std::nullptr_t)
    {
    }
    template <typename U> TSharedPtr(const TSharedRef<U, Mode> &Ref) : Data(Ref.Data)
    {
    }
    template <typename U> TSharedPtr(const TSharedPtr<U, Mode> &Other) : Data(Other.Data)
    {
    }
    bool IsValid() const
    {
        return Data != nullptr;
    }
    void Reset()
    {
        Data.reset();
    }
    T *operator->() const
    {
        return Data.get();
    }
    std::shared_ptr<T> Data;
};

template <typename T, typename... Args> TSharedRef<T> MakeShared(Args &&...Arguments)
{
    return TSharedRef<T>(std::make_shared<T>(std::forward<Args>(Arguments)...));
}

/* ---- delegates ---- */

class FDelegateHandle
{
  public:
    bool IsValid() const
    {
        return Id != 0;
    }
    void Reset()
    {
        Id = 0;
    }
    uint64 Id = 0;
};

template <typename Signature> class TDelegate;
template <typename R, typename... Args> class TDelegate<R(Args...)>
{
  public:
    template <typename F> void BindLambda(F &&Lambda)
    {
        Function = std::forward<F>(Lambda);
    }
    template <typename T> static TDelegate CreateUObject(T *Object, R (T::*Method)(Args...))
    {
        TDelegate Made;

        Made.Function = [Object, Method](Args... Arguments) {
            return (Object->*Method)(Arguments...);
        };
        return Made;
    }
    bool ExecuteIfBound(Args... Arguments) const
    {
        if (Function) {
            (void)Function(Arguments...);
        }
        return static_cast<bool>(Function);
    }
    std::function<R(Args...)> Function;
};

template <typename Signature> class TMulticastDelegate;
template <typename... Args> class TMulticastDelegate<void(Args...)>
{
  public:
    template <typename T> FDelegateHandle AddUObject(T *Object, void (T::*Method)(Args...))
    {
        FDelegateHandle Handle;

        Handle.Id = ++LastId;
        Bound.emplace_back(
            Handle.Id, [Object, Method](Args... Arguments) { (Object->*Method)(Arguments...); });
        return Handle;
    }
    bool Remove(FDelegateHandle Handle)
    {
        const std::size_t Before = Bound.size();

        Bound.remove_if([&](const auto &One) { return One.first == Handle.Id; });
        return Bound.size() < Before;
    }
    void Broadcast(Args... Arguments) const
    {
        for (const auto &One : Bound) {
            One.second(Arguments...);
        }
    }
    bool IsBound() const
    {
        return !Bound.empty();
    }

  private:
    std::list<std::pair<uint64, std::function<void(Args...)>>> Bound;
    uint64 LastId = 0;
};
template <typename Signature> using TTSMulticastDelegate = TMulticastDelegate<Signature>;

#define DECLARE_DYNAMIC_MULTICAST_DELEGATE(name) typedef TMulticastDelegate<void()> name

/* ---- logging: lines go to standard error, and can be counted ---- */

namespace StandIn
{
std::u16string Format(const TCHAR *Text);
std::u16string Format(const TCHAR *Text, const TCHAR *Argument); /* knows %s alone */
void Log(const char *Category, const char *Verbosity, const std::u16string &Line);
} // namespace StandIn

#define DECLARE_LOG_CATEGORY_EXTERN(name, ...)                                                     \
    struct name##Category {                                                                        \
    }
#define DEFINE_LOG_CATEGORY(name) static_assert(true, "")
#define UE_LOG(category, verbosity, ...)                                                           \
    StandIn::Log(#category, #verbosity, StandIn::Format(__VA_ARGS__))

/* ---- objects ---- */

class UObject
{
  public:
    virtual ~UObject() = default;
};

template <typename T> T *StandInMutableDefault()
{
    static T Object;

    return &Object;
}
template <typename T> const T *GetDefault()
{
    return StandInMutableDefault<T>();
}

extern bool GIsEditor;
extern FString GGameIni;
bool IsRunningCommandlet();
bool IsRunningDedicatedServer();
