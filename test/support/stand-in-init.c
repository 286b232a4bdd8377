/* PID 1 for tests of the receipt alone: tries what must be refused, writes its report to /tmp/init-report, waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refused(long result) { return result < 0 ? errno : 0; }

int main(void) {
  /* Not the mode of creation alone: the report appears whole, by a rename. */
  FILE *out = fopen("/tmp/init-report.new", "w");
  int in = open("/proc/self/status", O_RDONLY);
  static char status[8192];
  long length = read(in, status, sizeof status - 1);
  if (out == NULL || length < 0) return 1;
  fprintf(out, "%d", (int)getpid());
  /* Invalid in every other respect, so that nothing happens where the call is not refused. */
  fprintf(out, " %d", refused(mount("none", "/nowhere", "none", 0, NULL)));
  fprintf(out, " %d", refused(unshare(CLONE_NEWUSER)));
  fprintf(out, " %d", refused(syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0)));
  fprintf(out, " %d", refused(socket(AF_ALG, SOCK_SEQPACKET, 0)));
  fprintf(out, " %d\n%s", refused(ptrace(PTRACE_ATTACH, 0x7ffffffe, NULL, NULL)), status);
  if (fclose(out) != 0 || rename("/tmp/init-report.new", "/tmp/init-report") != 0) return 1;
  prctl(PR_SET_DUMPABLE, 0);
  for (;;) pause();
}
