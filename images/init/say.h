/* The one line of text init ever prints: to its stderr, for an operator who attaches to a container that does not
 * come up. Never shows a byte that a tenant chose. */
#ifndef CLOISTER_SAY_H
#define CLOISTER_SAY_H

void say(const char *what, int error); /* "cloister-init: what: strerror"; error 0: without a cause */

#endif
