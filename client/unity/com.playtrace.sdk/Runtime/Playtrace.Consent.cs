namespace PlaytraceSdk
{
    public static partial class Playtrace
    {
        /// <summary>The decision that holds now; None where Playtrace is not running.</summary>
        public static PlaytraceConsent Consent
        {
            get
            {
                PlaytraceClient running = client;
                return running == null ? PlaytraceConsent.None : running.Consent;
            }
        }

        /// <summary>The decision with its purposes, its time and the text that it is about.</summary>
        public static PlaytraceConsentRecord ConsentRecord
        {
            get
            {
                PlaytraceClient running = client;
                return running == null ? default(PlaytraceConsentRecord) : running.ConsentRecord;
            }
        }

        /// <summary>
        /// The player agrees to `purposes`. `policyVersion` (1 to 64 bytes) names the text that he was shown; null: as
        /// before. Kept on disk with its time. A purpose that is left out is taken back.
        /// </summary>
        public static PlaytraceStatus GiveConsent(PlaytracePurposes purposes = PlaytracePurposes.All,
                                                  string policyVersion = null)
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.SetConsent(purposes, policyVersion);
        }

        /// <summary>
        /// The player refuses, or takes it back: what is stored is deleted, the server is told once, and nothing more
        /// is stored or sent.
        /// </summary>
        public static PlaytraceStatus WithdrawConsent(string policyVersion = null)
        {
            return GiveConsent(PlaytracePurposes.None, policyVersion);
        }

        /// <summary>As at the first start, so that the game asks again. What is stored is deleted.</summary>
        public static PlaytraceStatus ForgetConsent()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.ForgetConsent();
        }
    }
}
