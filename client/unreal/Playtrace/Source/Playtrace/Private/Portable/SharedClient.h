/*
 * SharedClient.h - one client for everything of a process that records events
 *
 * No engine header is included here. The subsystem of each game instance and each analytics
 * provider hold a share; the first opens the client, the last closes it. Use() may be called from
 * any thread, also while another closes: close waits for the calls that run, and later ones find it
 * closed.
 */
#pragma once

#include "playtrace.hpp"

#include <mutex>
#include <shared_mutex>

namespace PlaytracePortable
{

class FSharedClient
{
  public:
    /* Take a share. PLAYTRACE_OK also where the client was open already; no share otherwise. */
    Playtrace::Status Acquire(const Playtrace::Options &Options)
    {
        std::unique_lock<std::shared_mutex> Lock(Mutex);

        if (Shares == 0) {
            Playtrace::Status Status = Client.open(Options);

            if (Status != PLAYTRACE_OK) {
                return Status;
            }
        }
        Shares++;
        return PLAYTRACE_OK;
    }

    /* Give a share back; the last one closes, sending for at most `TimeoutMs`. */
    Playtrace::Status Release(std::uint32_t TimeoutMs)
    {
        std::unique_lock<std::shared_mutex> Lock(Mutex);

        if (Shares == 0 || --Shares > 0) {
            return PLAYTRACE_OK;
        }
        return Client.close(TimeoutMs);
    }

    /* Call `Function` with the client, open or not. It may not call Acquire() or Release(). */
    template <typename FFunction> auto Use(FFunction Function)
    {
        std::shared_lock<std::shared_mutex> Lock(Mutex);

        return Function(Client);
    }

  private:
    std::shared_mutex Mutex;
    Playtrace::Client Client;
    unsigned Shares = 0;
};

} // namespace PlaytracePortable
