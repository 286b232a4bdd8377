/* What the sandbox's own confinement looks like from inside, for the receipt. */
#ifndef CLOISTER_REPORT_H
#define CLOISTER_REPORT_H

void report_ask(void);
void report_probe_ended(void);
void report_disconnected(void);
void report_pump(void);

#endif
