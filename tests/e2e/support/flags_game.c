/*
 * flags_game.c - a game that asks for flags when told: a command a line, one line of JSON back
 *
 *     open URL DIR USER [API_KEY]      a client with its worker; polls are an hour apart, so that a
 *                                      change that comes, came over the stream
 *     poll URL DIR USER                the same without a stream, with polls each 200 ms
 *     bool KEY 0|1                     int KEY N               double KEY X
 *     string KEY TEXT                  json KEY TEXT           details KEY
 *     generation, session, stats       refresh MS              flush MS, close MS
 *     context JSON                     user ID                 track NAME
 *     consent none|given|withdrawn
 *
 * Ends with the end of its input.
 */
#include "playtrace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 6
#define TEXT_BYTES 8192

static struct playtrace *client;

/* The whole line's words; the last one takes the rest of the line. */
static int split(char *line, int words_max, char **words)
{
    int count = 0;

    line[strcspn(line, "\n")] = '\0';
    while (*line != '\0' && count < words_max) {
        words[count++] = line;
        if (count == words_max) {
            break;
        }
        line += strcspn(line, " ");
        while (*line == ' ') {
            *line++ = '\0';
        }
    }
    return count;
}

static void say_status(enum playtrace_status status)
{
    printf("{\"status\":\"%s\"}\n", playtrace_status_name(status));
}

static void say_text(const char *text, size_t bytes)
{
    printf("{\"value\":\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            (void)putchar(c);
        }
    }
    printf("\",\"bytes\":%lu}\n", (unsigned long)bytes);
}

static void open_client(int count, char **words, bool is_polling)
{
    struct playtrace_options options;

    playtrace_options_init(&options);
    options.url = words[1];
    options.queue_dir = words[2];
    options.user_id = words[3];
    options.api_key = count > 4 ? words[4] : NULL;
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.retry_base_ms = 50;
    options.retry_cap_ms = 500;
    options.flags_stream = !is_polling;
    options.flags_poll_ms = is_polling ? 200 : 3600000;
    say_status(playtrace_open(&client, &options));
}

static void say_details(const char *key)
{
    struct playtrace_flag_details details;

    if (playtrace_flag_details(client, key, &details) != PLAYTRACE_OK) {
        say_status(PLAYTRACE_INVALID);
        return;
    }
    printf("{\"variant\":\"%s\",\"reason\":\"%s\",\"error\":\"%s\",\"is_default\":%s}\n",
           details.variant, details.reason, details.error_code,
           details.is_default ? "true" : "false");
}

static void say_stats(void)
{
    struct playtrace_stats stats;

    playtrace_stats(client, &stats);
    printf("{\"tracked\":%llu,\"delivered\":%llu,\"flag_requests\":%llu,\"flag_failures\":%llu}\n",
           (unsigned long long)stats.tracked, (unsigned long long)stats.delivered,
           (unsigned long long)stats.flag_requests, (unsigned long long)stats.flag_failures);
}

static void take_flag(const char *type, const char *key, const char *other)
{
    char text[TEXT_BYTES];

    if (strcmp(type, "bool") == 0) {
        printf("{\"value\":%s}\n",
               playtrace_flag_bool(client, key, other[0] == '1') ? "true" : "false");
    } else if (strcmp(type, "int") == 0) {
        printf("{\"value\":%lld}\n",
               (long long)playtrace_flag_int(client, key, strtoll(other, NULL, 10)));
    } else if (strcmp(type, "double") == 0) {
        printf("{\"value\":%.17g}\n", playtrace_flag_double(client, key, strtod(other, NULL)));
    } else if (strcmp(type, "string") == 0) {
        say_text(text, playtrace_flag_string(client, key, other, text, sizeof(text)));
    } else {
        say_text(text, playtrace_flag_json(client, key, other, text, sizeof(text)));
    }
}

static bool is_flag_type(const char *word)
{
    static const char *const types[] = {"bool", "int", "double", "string", "json"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(word, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum playtrace_consent consent_of(const char *word)
{
    if (strcmp(word, "given") == 0) {
        return PLAYTRACE_CONSENT_GIVEN;
    }
    return strcmp(word, "none") == 0 ? PLAYTRACE_CONSENT_NONE : PLAYTRACE_CONSENT_WITHDRAWN;
}

/* What takes one word at most. */
static void obey_short(const char *verb, const char *word)
{
    uint32_t ms = (uint32_t)strtoul(word, NULL, 10);

    if (strcmp(verb, "details") == 0) {
        say_details(word);
    } else if (strcmp(verb, "generation") == 0) {
        printf("{\"value\":%llu}\n", (unsigned long long)playtrace_flags_generation(client));
    } else if (strcmp(verb, "refresh") == 0) {
        say_status(playtrace_flags_refresh(client, ms));
    } else if (strcmp(verb, "context") == 0) {
        say_status(playtrace_set_flag_context(client, word));
    } else if (strcmp(verb, "user") == 0) {
        say_status(playtrace_set_user(client, word));
    } else if (strcmp(verb, "session") == 0) {
        say_status(playtrace_session_start(client));
    } else if (strcmp(verb, "consent") == 0) {
        say_status(playtrace_set_consent(client, consent_of(word)));
    } else if (strcmp(verb, "track") == 0) {
        say_status(playtrace_track(client, word, NULL));
    } else if (strcmp(verb, "flush") == 0) {
        say_status(playtrace_flush(client, ms));
    } else if (strcmp(verb, "stats") == 0) {
        say_stats();
    } else if (strcmp(verb, "close") == 0) {
        say_status(playtrace_close(client, ms));
        client = NULL;
    } else {
        printf("{\"error\":\"no such command\"}\n");
    }
}

int main(void)
{
    char line[TEXT_BYTES];

    while (fgets(line, sizeof(line), stdin)) {
        char *words[WORDS_MAX] = {0};
        bool is_open = strncmp(line, "open ", 5) == 0 || strncmp(line, "poll ", 5) == 0;
        int count = 0;

        if (is_open) {
            count = split(line, 5, words);
        } else {
            char verb[16] = "";

            (void)snprintf(verb, sizeof(verb), "%.*s", (int)strcspn(line, " \n"), line);
            count = split(line, is_flag_type(verb) ? 3 : 2, words);
        }
        if (is_open && count >= 4) {
            open_client(count, words, line[0] == 'p');
        } else if (count == 3) {
            take_flag(words[0], words[1], words[2]);
        } else if (count > 0) {
            obey_short(words[0], count > 1 ? words[1] : "");
        }
        (void)fflush(stdout);
    }
    (void)playtrace_close(client, 0);
    return 0;
}
