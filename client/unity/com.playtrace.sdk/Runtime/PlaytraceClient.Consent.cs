using System;

namespace PlaytraceSdk
{
    public sealed unsafe partial class PlaytraceClient
    {
        /// <summary>The decision that holds now; None when closed.</summary>
        public PlaytraceConsent Consent
        {
            get
            {
                if (!Enter())
                {
                    return PlaytraceConsent.None;
                }
                PlaytraceConsent consent = Native.playtrace_get_consent(handle);
                Exit();
                return consent;
            }
        }

        /// <summary>The decision with its purposes, its time and the text that it is about.</summary>
        public PlaytraceConsentRecord ConsentRecord
        {
            get
            {
                PlaytraceConsentRecord record = default(PlaytraceConsentRecord);
                Native.playtrace_consent_record native;
                record.PolicyVersion = "";
                if (Enter())
                {
                    Native.playtrace_get_consent_record(handle, &native);
                    Exit();
                    record.Consent = native.consent;
                    record.Purposes = (PlaytracePurposes)native.purposes;
                    record.PolicyVersion = Utf8.Get(native.policy_version, Native.PLAYTRACE_POLICY_BYTES_MAX);
                    if (native.decided_us > 0)
                    {
                        record.DecidedAt = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)
                            .AddTicks(native.decided_us * 10);
                    }
                }
                return record;
            }
        }

        /// <summary>The player agrees to `purposes`; none of them is a refusal. Kept on disk.</summary>
        public PlaytraceStatus SetConsent(PlaytracePurposes purposes, string policyVersion)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = PlaytraceStatus.Invalid;
            fixed (byte* spill = Utf8.SpillFirst(policyVersion))
            {
                if (Utf8.Put(policyVersion, stack, spill, out byte* text))
                {
                    status = Native.playtrace_set_consent_for(handle, (uint)purposes, text);
                }
            }
            Exit();
            return status;
        }

        /// <summary>As at the first start: the player has not decided. What is stored is deleted.</summary>
        public PlaytraceStatus ForgetConsent()
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_set_consent(handle, PlaytraceConsent.None);
            Exit();
            return status;
        }
    }
}
