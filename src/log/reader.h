/*
 * reader.h - what copying a log needs of the reader beyond log.h
 *
 * Only src/log includes this.
 */
#ifndef PT_LOG_READER_H
#define PT_LOG_READER_H

#include "log/cursor.h"
#include "log/log.h"

/*
 * Stand before the first batch of the segment that holds record `offset`, or of the oldest one that
 * is there. PT_AGAIN: the segments changed meanwhile.
 */
enum pt_code pt_log_reader_to_segment(struct pt_log_reader *reader, uint64_t offset,
                                      struct pt_error *err) PT_MUST_USE;

/* Where the reader stands: in the segment, and behind the batch, that it gave last. */
const struct pt_cursor *pt_log_reader_cursor(const struct pt_log_reader *reader);

#endif
