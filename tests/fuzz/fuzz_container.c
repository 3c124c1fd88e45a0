/*
 * fuzz_container.c - any bytes as Avro's object container: blocks within it, or an error
 *
 * Values are decoded by the library, which is not ours to fuzz.
 */
#include "lake/container.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_container container;
    struct pt_span file = pt_span_of(data, size);
    struct pt_span values = {0};
    struct pt_buf sum;
    uint64_t count = 1;

    pt_buf_init(&sum, 64u << 20);
    if (pt_container_open(&container, file, NULL) == PT_OK) {
        pt_assert(container.schema.data >= data &&
                  container.schema.data + container.schema.size <= data + size);
        while (count > 0 && pt_container_next(&container, &count, &values, NULL) == PT_OK) {
            if (count > 0) {
                pt_buf_append(&sum, values.data, values.size); /* every byte can be read */
            }
        }
        pt_assert(container.rest.size <= size);
    }
    pt_container_release(&container);
    pt_buf_release(&sum);
    return 0;
}
