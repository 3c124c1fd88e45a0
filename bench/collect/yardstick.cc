/*
 * yardstick.cc - simdjson's own parse, and nothing around it
 */
#include "collect/yardstick.h"

#include <new>
#include <simdjson.h>
#include <string>

struct bench_dom {
    simdjson::dom::parser parser;
};

extern "C" {

struct bench_dom *bench_dom_create(void)
{
    return new (std::nothrow) bench_dom;
}

void bench_dom_destroy(struct bench_dom *dom)
{
    delete dom;
}

int bench_dom_parse(struct bench_dom *dom, const uint8_t *json, size_t bytes)
{
    return dom->parser.parse(json, bytes, false).error() == simdjson::SUCCESS;
}

const char *bench_dom_name(void)
{
    static const std::string name = simdjson::get_active_implementation()->name();

    return name.c_str();
}
}
