/* `cloister-init connect HOST PORT`: a ProxyCommand for ssh and the like, through the egress proxy. */
#ifndef CLOISTER_CONNECT_H
#define CLOISTER_CONNECT_H

int connect_main(const char *host, const char *port); /* exit status */

#endif
