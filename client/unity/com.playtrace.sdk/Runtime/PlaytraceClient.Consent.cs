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

        /// <summary>The player agrees.</summary>
        public PlaytraceStatus GiveConsent()
        {
            return SetConsent(PlaytraceConsent.Given);
        }

        /// <summary>The player refuses, or takes it back.</summary>
        public PlaytraceStatus WithdrawConsent()
        {
            return SetConsent(PlaytraceConsent.Withdrawn);
        }

        private PlaytraceStatus SetConsent(PlaytraceConsent consent)
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_set_consent(handle, consent);
            Exit();
            return status;
        }
    }
}
