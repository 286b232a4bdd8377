/* The wire protocol between the daemon and cloister-init (PID 1 of a sandbox).
 * daemon/link/frames.ts is its other half; the two change together, with PROTOCOL_VERSION.
 *
 * Transport: one AF_UNIX SOCK_STREAM connection, made by init to /run/cloister/control.sock.
 * All integers are little-endian and unaligned. A frame is a 12-byte header and a body:
 *
 *   u32 length   bytes of body, at most the bound of its type
 *   u8  type     FRAME_*
 *   u8  flags    per type, 0 where none is named
 *   u16 zero     must be 0
 *   u32 id       exec number, file request or dial; 0 where none is named
 *
 * Exec numbers are chosen by the daemon, never 0, never used again in the life of a sandbox.
 * Either side ends the connection on a frame it can't accept. Init then reconnects with back-off
 * (10 ms doubling to 1 s); commands go on.
 *
 * Connection:
 *   init   -> HELLO    nonce as read from /run/cloister/nonce the first time, or from the last WELCOME
 *   daemon -> WELCOME  the next nonce; kept in memory of init only
 *   init   -> STATUS   every exec that runs or whose EXIT is not acknowledged
 *   daemon -> CREDIT with FLAG_REWIND for each exec it knows (init sends again from that offset),
 *             KILL and EXIT_ACK for each it doesn't
 *   Before WELCOME the daemon sends nothing else and init answers nothing else.
 *   Stdin that a command's pipe has not taken is dropped by init when the connection ends. After STATUS init sends
 *   STDIN_CREDIT with the exact offset (also if it is 0 or unchanged) for every running exec that has stdin; the
 *   daemon sends again from there, FLAG_EOF included.
 *
 * Output of an exec, stdout and stderr together, is one sequence of bytes with one offset. Init may be
 * at most WINDOW_BYTES ahead of the last CREDIT and keeps what is not credited for a rewind.
 * A PTY's output is all stdout. EXIT comes after the last OUTPUT byte, once per START; init repeats it
 * after a reconnect until EXIT_ACK. START of a number that init knows starts nothing: it repeats STARTED
 * or EXIT.
 *
 * When the leader of an exec ends, its output is drained to end of file or for DRAIN_MS, whichever is
 * first, then EXIT is sent. Descendants that remain stay under their supervisor, their output is
 * discarded, and KILL with the exec's number still reaches them until EXIT_GONE. An EXIT that counts no
 * descendants is the last word: no EXIT_GONE follows it.
 */
#ifndef CLOISTER_PROTOCOL_H
#define CLOISTER_PROTOCOL_H

#include <stdint.h>

enum {
  PROTOCOL_VERSION = 1,
  HEADER_BYTES = 12,
  NONCE_BYTES = 32,
  MAX_BODY = 64 * 1024 + 32,      /* of every frame but START */
  MAX_START_BODY = 1024 * 1024,   /* argv and environment */
  MAX_DATA = 64 * 1024,           /* payload bytes of a data frame */
  OUTPUT_DATA = MAX_DATA - 20,    /* of one OUTPUT: with its header and offset it is one read of the daemon's */
  WINDOW_BYTES = 16 * OUTPUT_DATA, /* output of an exec that is not credited */
  STDIN_WINDOW_BYTES = 64 * 1024, /* stdin of an exec that its pipe has not taken */
  FILE_WINDOW_BYTES = 1024 * 1024, /* each way, for a file transfer that is not credited */
  DIAL_WINDOW_BYTES = 256 * 1024, /* the same for a dial */
  MAX_EXECS = 128,                /* running, lingering or not acknowledged */
  MAX_FILE_REQUESTS = 16,         /* at once */
  MAX_DIALS = 64,                 /* at once */
  MAX_PATH_BYTES = 4096,
  DRAIN_MS = 200
};

/* daemon -> init */
enum {
  FRAME_WELCOME = 0x01,     /* nonce[32] */
  FRAME_START = 0x02,       /* struct start, then strings, each ended by NUL: cwd, argv[argc], env[envc] */
  FRAME_STDIN = 0x03,       /* bytes, at most MAX_DATA; FLAG_EOF closes stdin after them (on a PTY: VEOF is the
                               client's business, FLAG_EOF is ignored) */
  FRAME_KILL = 0x04,        /* struct kill */
  FRAME_CREDIT = 0x05,      /* u64 offset: all before it is durable; FLAG_REWIND: send again from it */
  FRAME_RESIZE = 0x06,      /* u16 columns, u16 rows */
  FRAME_EXIT_ACK = 0x07,    /* empty: forget the exec once it is gone */
  FRAME_DIAL = 0x08,        /* u16 port: connect to 127.0.0.1:port, then [::1]:port */
  FRAME_DIAL_DATA = 0x09,   /* bytes; FLAG_EOF: half-close after them */
  FRAME_DIAL_CREDIT = 0x0a, /* u64 offset: bytes the daemon has taken */
  FRAME_DIAL_CLOSE = 0x0b,  /* empty: abort */
  FRAME_FILE = 0x0c,        /* struct file_request, then path, then path2, without NUL, then extra bytes */
  FRAME_FILE_DATA = 0x0d,   /* bytes of a write; FLAG_EOF: the last */
  FRAME_FILE_CREDIT = 0x0e, /* u64 offset: bytes of a read or list the daemon has taken */
  FRAME_FILE_CANCEL = 0x0f, /* empty: a write leaves no trace; FILE_END follows with ECANCELED */
  FRAME_PING = 0x10,        /* u64 cookie */
  FRAME_REPORT = 0x11,      /* empty: ask for a SELF_REPORT */
  FRAME_CLOCK = 0x12        /* u8 run: 0 stops all limits (before a pause), 1 starts them again */
};

/* init -> daemon */
enum {
  FRAME_HELLO = 0x81,             /* u32 PROTOCOL_VERSION, nonce[32] */
  FRAME_STATUS = 0x82,            /* n times struct status; n = length / 24, at most MAX_EXECS */
  FRAME_STARTED = 0x83,           /* u32 pid, as the sandbox sees it */
  FRAME_OUTPUT = 0x84,            /* u64 offset of the first byte, bytes; FLAG_STDERR */
  FRAME_EXIT = 0x85,              /* struct exit_report */
  FRAME_STDIN_CREDIT = 0x86,      /* u64 offset: stdin bytes the command's pipe has taken; FLAG_EOF: it is
                                     closed on the reading side, send no more */
  FRAME_EXIT_GONE = 0x87,         /* empty: no descendant is left; only after an EXIT that counted some */
  FRAME_DIALED = 0x88,            /* u32 errno, 0: connected */
  FRAME_DIAL_DATA_UP = 0x89,      /* bytes; FLAG_EOF: the server half-closed after them */
  FRAME_DIAL_CREDIT_UP = 0x8a,    /* u64 offset: bytes the server has taken */
  FRAME_DIAL_CLOSED = 0x8b,       /* u32 errno, 0: both directions ended */
  FRAME_FILE_END = 0x8c,          /* struct file_end, then what the op names; exactly one per FILE */
  FRAME_FILE_DATA_UP = 0x8d,      /* bytes of a read, or whole packed entries of a list */
  FRAME_FILE_CREDIT_UP = 0x8e,    /* u64 offset: bytes of a write that are in the file */
  FRAME_PONG = 0x90,              /* u64 cookie */
  FRAME_SELF_REPORT = 0x91        /* struct self_report, then the text of /proc/self/status, at most 8 KiB */
};

enum { FLAG_STDERR = 1, FLAG_EOF = 2, FLAG_REWIND = 4 };

struct start { /* 32 bytes */
  uint8_t stdin_mode; /* 0: /dev/null, 1: pipe; with a PTY always the PTY */
  uint8_t pty;        /* 0, 1 */
  uint16_t columns;
  uint16_t rows;
  uint16_t argc;      /* at least 1 */
  uint16_t envc;
  uint16_t zero;
  uint32_t wall_ms;   /* 0: none */
  uint32_t idle_ms;   /* 0: none; counted from the last byte of output */
  uint32_t grace_ms;  /* between SIGTERM and SIGKILL when a limit ends it */
  uint32_t oom_score; /* oom_score_adj of all it starts, at most 1000: the kernel's record of a kill and /proc name it,
                         so the daemon tells the trees of commands apart; 0: 900 */
  uint32_t zero2;
};

struct kill { /* 8 bytes */
  uint8_t mode;      /* KILL_SIGNAL, KILL_TREE */
  uint8_t signal;    /* 1-64; of KILL_TREE: the first one, usually SIGTERM */
  uint16_t zero;
  uint32_t grace_ms; /* KILL_TREE: then SIGKILL until no descendant is left; 0: at once */
};
enum {
  KILL_SIGNAL = 0, /* to the leader's process group, and on a PTY to the foreground one; no reason is recorded */
  KILL_TREE = 1    /* EXIT has reason REASON_KILLED */
};

struct status { /* 24 bytes */
  uint32_t exec;
  uint8_t state; /* 0 running, 1 ended and EXIT not acknowledged, 2 lingering */
  uint8_t zero[3];
  uint64_t credited; /* output offset of the last CREDIT */
  uint64_t end;      /* output offset reached so far */
};

struct exit_report { /* 64 bytes */
  int32_t wait_status; /* as waitpid gives it, of the leader; 0 when it never ran */
  uint8_t reason;      /* REASON_* */
  uint8_t oom_like;    /* 1: the leader ended by SIGKILL that init did not send, or with exit status 137 */
  uint16_t error;      /* REASON_NOT_STARTED: errno */
  uint64_t output_bytes; /* offset of the end */
  uint64_t stderr_bytes; /* part of it */
  uint64_t user_us;      /* of the whole subtree so far */
  uint64_t system_us;
  uint64_t max_rss_kib;  /* of the largest process */
  uint64_t duration_us;  /* clock stopped while paused */
  uint32_t lingering;    /* descendants left */
  uint32_t stage;        /* REASON_NOT_STARTED: STAGE_* */
};
enum {
  REASON_SELF = 0,            /* wait_status says it all */
  REASON_WALL = 1,
  REASON_IDLE = 2,
  REASON_KILLED = 3,          /* KILL_TREE */
  REASON_SUPERVISOR_LOST = 4, /* the tenant killed or stopped its supervisor; the tree was killed */
  REASON_NOT_STARTED = 5,     /* error and stage say why */
  REASON_PIDS = 6             /* ended by init to make room: the process limit was reached */
};
enum {
  STAGE_FORK = 1,  /* no process slot, or no memory */
  STAGE_CWD = 2,
  STAGE_PTY = 3,
  STAGE_EXEC = 4,  /* ENOENT, EACCES, ENOEXEC ...: 127 or 126 as a shell says it */
  STAGE_TABLE = 5, /* MAX_EXECS reached */
  STAGE_PIPE = 6
};

struct self_report { /* 24 bytes; errno of three calls that must be refused, 0 when one was not */
  uint32_t mount_errno;
  uint32_t unshare_errno; /* CLONE_NEWUSER */
  uint32_t bpf_errno;
  uint32_t af_alg_errno;  /* socket(AF_ALG) */
  uint32_t ptrace_errno;  /* PTRACE_TRACEME */
  uint32_t pid;           /* must be 1 */
};

/* Files. Paths are relative to the workspace, bytes without NUL, no empty, "." or ".." component; "" is the
 * workspace itself. Each is resolved with openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS) from a descriptor
 * opened at start; where the kernel has none, by a component walk with the same result. Symlinks that stay
 * inside are followed, but for the last component where an op says so. A path that leads out is EXDEV.
 * FIFOs, sockets and devices are answered (NOT_REGULAR: ENXIO), never opened for reading or writing. */
struct file_request { /* 32 bytes */
  uint8_t op;
  uint8_t flags;       /* FILE_* */
  uint16_t path_bytes;
  uint16_t path2_bytes;
  uint16_t extra_bytes;
  uint32_t mode;       /* of what is created, masked with 0777; 0: 0644 or 0755 */
  uint32_t depth;      /* LIST: 0 is this directory only; bound 64 */
  uint64_t offset;     /* READ; WRITE with FILE_APPEND and FILE_AT: the size that the file must have; GREP: at most this
                          many matches of a file, 0: no limit */
  uint64_t length;     /* READ: at most this many bytes; LIST, GREP: entries or matches; 0: no limit */
};
enum { /* op */
  FILE_READ = 1,    /* DATA_UP..., END with stat. Last component followed. extra: u64 inode, u64 size, i64 nanoseconds of
                       its last change that the file must have (ESTALE), or none */
  FILE_WRITE = 2,   /* DATA... EOF. Parents are made with FILE_PARENTS. Written beside as a temporary file of
                       mode 0600, then renamed; FILE_APPEND appends in place. extra: 32 bytes of SHA-256 that
                       the present content must have (ESTALE), or none. END with stat. A symlink as last
                       component is replaced by the file. FILE_EXCLUSIVE: EEXIST if there is one. FILE_APPEND with
                       FILE_AT: ESTALE unless the file has `offset` bytes; with FILE_KEEP what came of one that was cut
                       short stays. END of an append that failed and left bytes in the file: u64 how many, u64 the size
                       it has now. */
  FILE_LIST = 3,    /* DATA_UP of packed entries, END with struct list_end. path2: goes on after this entry. extra: globs;
                       FILE_IGNORE, FILE_ONLY_FILES */
  FILE_STAT = 4,    /* END with stat; FILE_NOFOLLOW */
  FILE_MKDIR = 5,   /* FILE_PARENTS: also no error if it exists as a directory */
  FILE_REMOVE = 6,  /* FILE_RECURSIVE: directories too; symlinks are never followed; the workspace itself: EBUSY.
                       FILE_EXCLUSIVE: an empty directory goes too, ENOTEMPTY for another.
                       END with u64 entries removed, also when it failed */
  FILE_MOVE = 7,    /* path -> path2; FILE_EXCLUSIVE: EEXIST if path2 exists; FILE_PARENTS */
  FILE_COPY = 8,    /* path -> path2, regular file, or tree with FILE_RECURSIVE; reflink where possible */
  FILE_CHMOD = 9,   /* mode & 0777, last component followed. FILE_RECURSIVE: all below a directory as well, no symlink
                       followed, directories with x wherever mode has r. END with u64 changed, u64 not changed */
  FILE_READLINK = 10, /* END with the target's bytes */
  FILE_SYMLINK = 11,  /* extra: target; refused with EXDEV unless it stays inside as text */
  FILE_HASH = 12,     /* END with stat, then 32 bytes of SHA-256 */
  FILE_GREP = 13,     /* DATA_UP of matching lines (file-grep.h), END with struct list_end. path: a file, or a directory
                         that is walked like LIST. mode: lines of context, before | after << 8. extra: u16 bytes of
                         globs, globs, a program (file-regex.h). FILE_IGNORE */
  FILE_WATCH = 14     /* DATA_UP of changes below a directory, or of a file, until FILE_CANCEL. FILE_RECURSIVE.
                         See file-watch.c */
};
enum {
  FILE_PARENTS = 1, FILE_APPEND = 2, FILE_EXCLUSIVE = 4, FILE_RECURSIVE = 8, FILE_NOFOLLOW = 16,
  FILE_IGNORE = 32,     /* what .gitignore files name is passed over, and .git */
  FILE_ONLY_FILES = 64, /* directories are walked and not listed */
  FILE_AT = 32,
  FILE_KEEP = 64,
  FILE_ANYWHERE = 128   /* of SYMLINK: the target may lead out, because the command that is undone found it so */
};

struct file_end { /* 8 bytes */
  uint32_t error;      /* errno, 0: done */
  uint16_t what;       /* 0: path, 1: path2, 2: a component of path is not a directory */
  uint16_t zero;
};

struct file_stat { /* 40 bytes */
  uint8_t kind;        /* 'f' 'd' 'l' 'p' 's' 'c' 'b' */
  uint8_t zero[3];
  uint32_t mode;       /* 07777 */
  uint64_t size;
  int64_t mtime_ns;
  uint64_t inode;
  uint32_t links;
  uint32_t uid;
};

struct list_end { /* 56 bytes */
  uint64_t seen;       /* entries of the directories that were read */
  uint8_t why;         /* LIST_WHY_*; 0: nothing was left out */
  uint8_t zero[7];
  uint64_t skipped;    /* entries that could not be read, were too deep or have a path too long */
  uint64_t files;      /* GREP: searched */
  uint64_t binary;     /* of them, left alone at a NUL */
  uint64_t matches;    /* lines */
  uint64_t cut;        /* lines that were told or searched in parts only */
};
enum {
  LIST_WHY_LIMIT = 1,    /* as many as were asked for */
  LIST_WHY_DEPTH = 2,
  LIST_WHY_UNREAD = 4,
  LIST_WHY_RULES = 8,    /* .gitignore rules beyond 4096, or 128 KiB of them */
  LIST_WHY_PER_FILE = 16,
  LIST_WHY_CUT = 32
};

/* Globs of LIST and GREP: u16 bytes and a pattern each, over paths from the listed directory; one that begins with `!`
 * excludes. See file-glob.h. */

/* A packed entry of LIST: struct file_stat, u16 path bytes, u16 target bytes, path relative to the listed
 * directory, symlink target. Entries of a directory come sorted by name bytes, a directory before its content. */

#endif
