// PlaytraceHttp.h - the core's requests by FHttpModule
#pragma once

#include "CoreMinimal.h"
#include "Interfaces/IHttpRequest.h"
#include "Portable/Exchange.h"

/** One client's requests, one after another; called by the core's worker. */
class FPlaytraceHttp : public PlaytracePortable::IEngineHttp
{
  public:
    virtual bool Start(const PlaytracePortable::FRequest &Request,
                       const std::shared_ptr<PlaytracePortable::FExchange> &Exchange) override;
    virtual void Cancel() override;

  private:
    FHttpRequestPtr Current;
};

class FPlaytraceHttpFactory : public PlaytracePortable::IEngineHttpFactory
{
  public:
    virtual std::unique_ptr<PlaytracePortable::IEngineHttp> Create() override;
};
