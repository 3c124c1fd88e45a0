/*
 * serve_exposures.c - flag evaluations become exposures in the log
 *
 * The evaluation's targetingKey is the event's user_id: a game gives both the same one. Where the
 * context has session_id, build_id or platform of the kind that events have, the exposure has them
 * too; others are left out, since a context is the game's own and no mistake.
 */
#include "cmd/serve_exposures.h"

#include "schema/schema.h"

/* A text of the context with 1 to `bytes_max` bytes; else nothing. */
static struct pt_span context_text(struct pt_json context, const char *key, size_t bytes_max)
{
    struct pt_span text = {0};

    if (!pt_json_member_string(context, key, &text) || text.size > bytes_max) {
        return (struct pt_span){0};
    }
    return text;
}

static void take(void *ctx, const struct pt_flag_exposure *seen)
{
    struct pt_span platform = context_text(seen->context, "platform", 16);
    struct pt_exposure exposure = {
        .unit = seen->unit,
        .experiment = seen->experiment,
        .variant = seen->variant,
        .flag_key = seen->key,
        .flag_version = seen->version,
        .epoch = seen->epoch,
        .session_id = context_text(seen->context, "session_id", PT_SESSION_ID_BYTES_MAX),
        .build_id = context_text(seen->context, "build_id", PT_VERSION_BYTES_MAX),
        .platform = pt_platform_parse((const char *)platform.data, platform.size),
    };

    pt_exposures_add(ctx, &exposure);
}

enum pt_code pt_serve_exposures(struct pt_exposures **exposures_out, const struct pt_config *config,
                                struct pt_collect *collect, struct pt_flag_api *api,
                                struct pt_error *err)
{
    const char *text = pt_config_string(config, PT_CONFIG_flag_exposures);
    enum pt_flag_expose expose = PT_FLAG_EXPOSE_OFF;
    enum pt_code code = PT_OK;

    *exposures_out = NULL;
    if (!pt_flag_expose_parse(pt_span_str(text), &expose)) {
        return pt_fail(err, PT_INVALID, "flag.exposures is \"%s\"; it may be off, single or all",
                       text);
    }
    if (expose == PT_FLAG_EXPOSE_OFF) {
        return PT_OK;
    }
    code = pt_exposures_open(exposures_out, collect, err);
    return code ? code : pt_flag_api_expose(api, expose, take, *exposures_out, err);
}
