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

        /// <summary>The player agrees. Kept on disk with its time.</summary>
        public static PlaytraceStatus GiveConsent()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.GiveConsent();
        }

        /// <summary>The player refuses, or takes it back: what is stored is deleted, and nothing more is sent.</summary>
        public static PlaytraceStatus WithdrawConsent()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.WithdrawConsent();
        }
    }
}
