/*
 * fuzz_schema_compat.c - any two documents, parted by a zero byte: the comparison ends, and says
 * either way
 */
#include "schema/codegen.h"
#include "schema/compat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pt_compat_report report;
    const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
    size_t first = zero ? (size_t)(zero - data) : size;
    struct pt_compat_document documents[2] = {
        {.json = pt_span_of(data, first)},
        {.json = zero ? pt_span_of(zero + 1, size - first - 1) : pt_span_of(data, first)},
    };
    struct pt_buf source;

    if (size > 8192) {
        return 0;
    }
    if (pt_compat_check(&documents[0], &documents[1], PT_COMPAT_FULL, false, &report, NULL) ==
        PT_OK) {
        pt_assert(report.is_compatible == (report.count == 0));
        /* The same document may always follow itself. */
        pt_assert(zero || report.is_compatible);
    }
    pt_buf_init(&source, 1u << 20);
    for (int language = PT_CODEGEN_C; language <= PT_CODEGEN_CSHARP; language++) {
        (void)!pt_codegen(documents[0].json, "event", (enum pt_codegen_language)language, &source,
                          NULL);
    }
    pt_buf_release(&source);
    return 0;
}
