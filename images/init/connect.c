/* Owns one tunnel. Runs as a command of the tenant, with nothing a command does not have. */
#define _GNU_SOURCE
#include "connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"
#include "descriptors.h"
#include "say.h"

enum { HEAD_BYTES = 8192, MAX_HOST = 253, MAX_PORT = 5, MAX_USER = 1024, COPY_BYTES = 32 * 1024, EXIT_FAILED = 1 };

struct text { /* grows to its bound and no further; `full` then says so */
  char bytes[HEAD_BYTES];
  size_t length;
  bool full;
};

static void add(struct text *t, const char *from, size_t bytes) {
  if (bytes > sizeof t->bytes - t->length) t->full = true;
  if (t->full) return;
  memcpy(t->bytes + t->length, from, bytes);
  t->length += bytes;
}

static void add_string(struct text *t, const char *from) { add(t, from, strlen(from)); }

static void add_base64(struct text *t, const char *from, size_t bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes; i += 3) {
    uint32_t left = (uint32_t)(bytes - i), group = (uint32_t)(uint8_t)from[i] << 16;
    if (left > 1) group |= (uint32_t)(uint8_t)from[i + 1] << 8;
    if (left > 2) group |= (uint8_t)from[i + 2];
    char out[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
    add(t, out, sizeof out);
  }
}

/* user:password of http://user:password@127.0.0.1:3128; it names the command to the egress process. */
static void add_credentials(struct text *t) {
  const char *proxy = getenv("https_proxy");
  if (proxy == NULL) proxy = getenv("HTTPS_PROXY");
  const char *from = proxy == NULL ? NULL : strstr(proxy, "://");
  const char *end = from == NULL ? NULL : strchr(from, '@');
  if (end == NULL || end - (from + 3) > MAX_USER) return;
  add_string(t, "Proxy-Authorization: Basic ");
  add_base64(t, from + 3, (size_t)(end - (from + 3)));
  add_string(t, "\r\n");
}

static bool is_sound(const char *host, const char *port) {
  size_t host_bytes = strlen(host), port_bytes = strlen(port);
  if (host_bytes == 0 || host_bytes > MAX_HOST || port_bytes == 0 || port_bytes > MAX_PORT) return false;
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
  return strspn(host, allowed) == host_bytes && strspn(port, "0123456789") == port_bytes;
}

static bool send_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t put = write(fd, bytes, length);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes += put;
    length -= (size_t)put;
  }
  return true;
}

static bool ask(int fd, const char *host, const char *port) {
  struct text request = {.length = 0};
  const char *open = strchr(host, ':') != NULL ? "[" : "", *close = *open != '\0' ? "]:" : ":";
  const char *const parts[] = {"CONNECT ", open, host, close, port, " HTTP/1.1\r\nHost: ", open, host, close, port, "\r\n"};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) add_string(&request, parts[i]);
  add_credentials(&request);
  add_string(&request, "\r\n");
  return !request.full && send_all(fd, request.bytes, request.length);
}

/* Reads the answer byte by byte, so that nothing of the tunnel is taken with it. */
static bool is_granted(int fd) {
  char head[HEAD_BYTES + 1];
  for (size_t length = 0; length < HEAD_BYTES;) {
    ssize_t got = read(fd, head + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    head[++length] = '\0';
    if (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) continue;
    if (strncmp(head, "HTTP/1.", 7) == 0 && head[8] == ' ' && head[9] == '2') return true;
    for (char *at = head; *at != '\0'; at++)
      if (*at < ' ' || *at > '~') *at = at == head ? ' ' : '\0';
    say("the egress proxy refuses", 0);
    say(head, 0);
    return false;
  }
  say("the egress proxy ends the connection without an answer", 0);
  return false;
}

static bool copy(int from, int to) {
  static char bytes[COPY_BYTES];
  ssize_t got;
  do got = read(from, bytes, sizeof bytes);
  while (got < 0 && errno == EINTR);
  return got > 0 && send_all(to, bytes, (size_t)got);
}

int connect_main(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (!is_sound(host, port)) {
    say("connect needs a host name and a port number", 0);
    return EXIT_FAILED;
  }
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    say("cannot reach the egress proxy", errno);
    return EXIT_FAILED;
  }
  send_at_once(fd);
  if (!ask(fd, host, port) || !is_granted(fd)) return EXIT_FAILED;
  struct pollfd set[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  for (;;) {
    if (poll(set, 2, -1) < 0 && errno != EINTR) return EXIT_FAILED;
    if (set[1].revents != 0 && !copy(fd, STDOUT_FILENO)) return 0;
    if (set[0].revents != 0 && !copy(STDIN_FILENO, fd)) {
      if (shutdown(fd, SHUT_WR) != 0) return 0;
      set[0].fd = -1;
    }
  }
}
