/* The egress relay: 127.0.0.1:3128 to /run/cloister/egress.sock, bytes as they are. */
#ifndef CLOISTER_RELAY_H
#define CLOISTER_RELAY_H

enum { EGRESS_PORT = 3128 };

int relay_listen(void);               /* the bound socket, or -1 with errno */
_Noreturn void relay_main(int listen_fd); /* in a process of its own */

#endif
