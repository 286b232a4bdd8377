/* Output of an exec: one ring of bytes with offsets, kept until credited. */
#ifndef CLOISTER_OUTPUT_H
#define CLOISTER_OUTPUT_H

#include "exec.h"

bool output_has_room(const struct output *o);
void output_read(struct exec *e, struct source *s, bool is_stderr);
void output_discard(struct source *s);
bool output_credit(struct output *o, uint64_t offset, bool rewind); /* false: beyond what was read, or sent */
bool output_pump(struct exec *e); /* puts at most one frame; true: it did */
void source_close(struct source *s);

#endif
