#include "connect.h"
int connect_main(const char *host, const char *port) { (void)host; (void)port; return 1; }
