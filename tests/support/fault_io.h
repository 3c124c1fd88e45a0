/*
 * fault_io.h - the real file system, until the Nth change fails
 *
 * Wraps pt_io_posix(). Calls that change something (open for writing, write, sync, truncate,
 * allocate, rename, unlink, mkdir, sync of a directory) are counted from 1; the one whose turn it
 * is fails with PT_IO without being done, and so does every later one: what a process that dies
 * there leaves behind. Any thread.
 */
#ifndef PT_SUPPORT_FAULT_IO_H
#define PT_SUPPORT_FAULT_IO_H

#include "base/io.h"

/* `fail_from` 0: never. One at a time: static storage. */
struct pt_io *pt_fault_io(unsigned fail_from);
bool pt_fault_io_fired(void);
unsigned pt_fault_io_calls(void); /* counted so far */

#endif
