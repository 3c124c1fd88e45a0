/*
 * cmd_config_reference.c - `playtrace config reference`: the page of all settings
 */
#include "cmd/cmd.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define PAGE_BYTES_MAX (1u << 20)

int pt_cmd_config_reference(int argc, char **argv)
{
    const char *topic = NULL;
    struct pt_command_line line = {
        .usage = "playtrace config reference",
        .about = "Print every setting with its default, its range and what it does, as Markdown.\n"
                 "docs/configuration.md is this page.",
        .options = (const struct pt_option[]){{0}},
        .positional = &topic,
        .positional_max = 1,
    };
    struct pt_buf page;
    int exit_code = pt_command_line_parse(&line, argc, argv);

    if (exit_code >= 0) {
        return exit_code;
    }
    if (line.positional_count != 1 || strcmp(topic, "reference") != 0) {
        pt_cmd_say("config: say `playtrace config reference`");
        return PT_EXIT_USAGE;
    }
    pt_buf_init(&page, PAGE_BYTES_MAX);
    pt_config_reference(&page);
    exit_code = PT_EXIT_OK;
    if (page.has_failed || fwrite(page.data, 1, page.size, stdout) != page.size ||
        fflush(stdout) != 0) {
        pt_cmd_say("config: the page could not be written");
        exit_code = PT_EXIT_FAILED;
    }
    pt_buf_release(&page);
    return exit_code;
}
