/*
 * fuzz_event.c - a record that decodes encodes to the same bytes, but for those that are reserved
 */
#include "wire/event.h"

#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_event event;
    struct pt_event again;
    uint8_t *record = NULL;

    if (!pt_event_decode(data, size, &event)) {
        return 0;
    }
    pt_assert(pt_event_encoded_bytes(&event) == size);
    record = pt_alloc(size);
    pt_assert(record && pt_event_encode(&event, record) == size);
    pt_assert(pt_event_decode(record, size, &again));
    pt_assert(memcmp(record + 4, data + 4, 98) == 0); /* between the reserved bytes */
    pt_free(record);
    return 0;
}
