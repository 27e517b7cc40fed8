// SPDX-License-Identifier: MIT
//
// Runs workloads on a real kernel and writes down, after every operation, what the kernel's own
// struct pages say. See docs/lab.md for the text forms; src/conformance/program.ts writes what is read
// here, src/conformance/guest-log.ts reads what is written here.
//
//   guest PROGRAMS LOG EXT4_DIR XFS_DIR
//
// One coordinator starts a few worker processes and sends them one operation at a time. A worker whose
// system call sleeps in the kernel because a page is busy stays there while the others go on, as in
// the scenarios of the catalogue; the coordinator tells sleep from work by the worker's kernel stack.
//
// A struct page is read through /proc/kcore: the kernel's page tables give the physical place of the
// memory map, the direct map gives its words. Nothing runs inside the kernel, so nothing is disturbed.
//
// Build: gcc -O2 -static -o guest guest.c
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/dm-ioctl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  HUGE = 2 << 20,
  FILES = 4,
  MAPS = 16,
  PINS = 8,
  PROCS = 8,
  OPS = 256,
  MAX_FILE_PAGES = 2048,
  MAX_SEEN = 8192,
};

/* A signal where an errno is expected, so that both fit one number. */
enum { SIGNAL_BASE = 1000 };

static const char *const op_names[] = {"mmap",    "munmap", "touch", "fork",     "exit",   "pin",
                                       "unpin",   "punch",  "truncate", "write", "reflink", "mlock",
                                       "munlock", "fsync",  "dontneed", "poison", "umount", "mount",
                                       "close",   "open"};
enum op_kind {
  OP_MMAP, OP_MUNMAP, OP_TOUCH, OP_FORK, OP_EXIT, OP_PIN,
  OP_UNPIN, OP_PUNCH, OP_TRUNCATE, OP_WRITE, OP_REFLINK, OP_MLOCK,
  OP_MUNLOCK, OP_FSYNC, OP_DONTNEED, OP_POISON, OP_UMOUNT, OP_MOUNT,
  OP_CLOSE, OP_OPEN, /* of all files, around an unmount; never in a workload */
  OP_KINDS
};

struct op {
  int kind;
  int proc;
  int arg[7];
};

struct file_spec {
  int pages;     /* size of the file */
  int allocated; /* pages that are written before the program starts */
  int huge;      /* the file asks for blocks that a PMD can map */
};

struct program {
  char name[64];
  char fs[8];
  int files, ops;
  int watch[FILES]; /* how many pages of the file are looked at; all when 0 */
  struct file_spec file[FILES];
  struct op op[OPS];
};

static struct program program;
static const char *directories[2];
static FILE *log_file;
static int files[FILES];
static int marker = -1;

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_ms(int ms) { usleep(ms * 1000); }

__attribute__((format(printf, 1, 2))) static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "guest: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  if (log_file) {
    fprintf(log_file, "X fatal\n");
    fflush(log_file);
  }
  exit(1);
}

/* A line in the recording, so that events can be told apart by operation. */
__attribute__((format(printf, 1, 2))) static void mark(const char *format, ...) {
  char text[160];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (marker >= 0 && write(marker, text, n) < 0) marker = -1;
}

/* ---- struct pages -------------------------------------------------------------------------------- */

static struct {
  int fd;
  int segments;
  struct { uint64_t start, end, offset; } segment[256];
  uint64_t root; /* virtual address of the kernel's top page table */
  uint64_t direct_map, memory_map;
} kcore;

static int read_kernel(uint64_t address, void *into, size_t size) {
  for (int i = 0; i < kcore.segments; i++) {
    if (address < kcore.segment[i].start || address + size > kcore.segment[i].end) continue;
    off_t at = kcore.segment[i].offset + (address - kcore.segment[i].start);
    return pread(kcore.fd, into, size, at) == (ssize_t)size;
  }
  return 0;
}

static uint64_t symbol(const char *name) {
  FILE *f = fopen("/proc/kallsyms", "r");
  if (!f) return 0;
  char line[512], found[256];
  unsigned long long address, result = 0;
  char type;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "%llx %c %255s", &address, &type, found) == 3 && !strcmp(found, name)) {
      result = address;
      break;
    }
  fclose(f);
  return result;
}

/* The value of a kernel variable, or what it is where the layout is fixed at build time. */
static uint64_t kernel_variable(const char *name, uint64_t otherwise) {
  uint64_t address = symbol(name), value;
  return address && read_kernel(address, &value, sizeof value) ? value : otherwise;
}

static void open_kcore(void) {
  kcore.fd = open("/proc/kcore", O_RDONLY);
  if (kcore.fd < 0) die("/proc/kcore: %s", strerror(errno));
  Elf64_Ehdr head;
  if (pread(kcore.fd, &head, sizeof head, 0) != sizeof head) die("/proc/kcore has no header");
  for (int i = 0; i < head.e_phnum && kcore.segments < 256; i++) {
    Elf64_Phdr p;
    if (pread(kcore.fd, &p, sizeof p, head.e_phoff + i * sizeof p) != sizeof p) break;
    if (p.p_type != PT_LOAD) continue;
    kcore.segment[kcore.segments].start = p.p_vaddr;
    kcore.segment[kcore.segments].end = p.p_vaddr + p.p_memsz;
    kcore.segment[kcore.segments++].offset = p.p_offset;
  }
  kcore.root = symbol("init_top_pgt");
  if (!kcore.root) die("no init_top_pgt in /proc/kallsyms");
  kcore.direct_map = kernel_variable("page_offset_base", 0xffff888000000000);
  kcore.memory_map = kernel_variable("vmemmap_base", 0xffffea0000000000);
}

/* Physical address of a kernel address, by the kernel's page tables (four levels); 0 if not mapped. */
static uint64_t physical(uint64_t address) {
  const uint64_t frame = 0x000ffffffffff000;
  uint64_t table = kcore.root, entry;
  for (int shift = 39; shift >= 12; shift -= 9) {
    if (!read_kernel(table + ((address >> shift) & 511) * 8, &entry, 8) || !(entry & 1)) return 0;
    uint64_t size = 1ULL << shift;
    if (shift == 12 || (entry & 0x80)) return (entry & frame & ~(size - 1)) | (address & (size - 1));
    table = kcore.direct_map + (entry & frame);
  }
  return 0;
}

enum { PAGE_WORDS = 8 };

/* struct pages as they were when their part of the memory map was read last; 64 lie in a page. */
static struct {
  uint64_t block;
  uint64_t words[PAGE / 8];
} map_part;

static int read_page(uint64_t pfn, uint64_t *words, int pages) {
  uint64_t address = kcore.memory_map + pfn * 64, block = address & ~(uint64_t)(PAGE - 1);
  if (block != map_part.block) {
    uint64_t at = physical(block);
    map_part.block = 0;
    if (!at || !read_kernel(kcore.direct_map + at, map_part.words, PAGE)) return 0;
    map_part.block = block;
  }
  memcpy(words, map_part.words + (address - block) / 8, pages * 64);
  return 1;
}

/* ---- the disks that hold direct I/O -------------------------------------------------------------- */

/* A suspended device-mapper device takes direct I/O, and with it the pins, and keeps both until resumed. */
static int dm_control = -1;
static int held_disk[PINS];
static int dm_number[PINS];

static int dm_call(unsigned long request, int slot, unsigned flags, const char *target, uint64_t sectors) {
  struct {
    struct dm_ioctl head;
    struct dm_target_spec spec;
    char none[8];
  } call;
  memset(&call, 0, sizeof call);
  call.head.version[0] = DM_VERSION_MAJOR;
  call.head.data_size = sizeof call;
  call.head.data_start = sizeof call.head;
  call.head.flags = flags;
  snprintf(call.head.name, sizeof call.head.name, "held%d", slot);
  if (target) {
    call.head.target_count = 1;
    call.spec.length = sectors;
    snprintf(call.spec.target_type, sizeof call.spec.target_type, "%s", target);
  }
  if (ioctl(dm_control, request, &call)) return -1;
  return minor(call.head.dev);
}

static int dm_suspend(int slot) { return dm_call(DM_DEV_SUSPEND, slot, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG, 0, 0); }
static int dm_resume(int slot) { return dm_call(DM_DEV_SUSPEND, slot, 0, 0, 0); }

static void make_held_disks(void) {
  dm_control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (dm_control < 0) die("/dev/mapper/control: %s", strerror(errno));
  for (int i = 0; i < PINS; i++) {
    dm_number[i] = dm_call(DM_DEV_CREATE, i, 0, 0, 0);
    if (dm_number[i] < 0 || dm_call(DM_TABLE_LOAD, i, 0, "zero", 32768) < 0 || dm_resume(i) < 0)
      die("device mapper: %s", strerror(errno));
    char path[64];
    snprintf(path, sizeof path, "/dev/dm-%d", dm_number[i]);
    held_disk[i] = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (held_disk[i] < 0) die("%s: %s", path, strerror(errno));
    if (dm_suspend(i) < 0) die("suspend %s: %s", path, strerror(errno));
  }
}

/* ---- a worker ------------------------------------------------------------------------------------- */

enum pin_how { PIN_ODIRECT, PIN_VMSPLICE, PIN_IO_URING };

struct pin {
  int how; /* -1: not held */
  aio_context_t context;
  struct iocb request;
  int pipe[2];
  int bytes;
  int ring;
};

struct map {
  char *address;
  int page, pages;
};

static struct map maps[MAPS];
static struct pin pins[PINS];
static sigjmp_buf fault_jump;
/* Whether an operation is under way that a signal ends. */
static volatile int armed;

static void on_fault(int number) {
  if (armed) siglongjmp(fault_jump, number);
}

static char *map_address(int map, int page) {
  return maps[map].address ? maps[map].address + (size_t)(page - maps[map].page) * PAGE : 0;
}

static int result_of(long r) { return r < 0 ? errno : 0; }

static int do_mmap(const int *a) {
  int map = a[0], file = a[1], page = a[2], pages = a[3], shared = a[4], writable = a[5];
  size_t length = (size_t)pages * PAGE;
  /* The address is congruent to the offset modulo 2 MiB, so that a huge entry can map a huge file. */
  char *room = mmap(0, length + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return errno;
  char *start = (char *)(((uintptr_t)room + HUGE - 1) & ~(uintptr_t)(HUGE - 1)) + (size_t)page * PAGE % HUGE;
  munmap(room, length + 2 * HUGE);
  char *p = mmap(start, length, PROT_READ | (writable ? PROT_WRITE : 0),
                 (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED_NOREPLACE, files[file], (off_t)page * PAGE);
  if (p == MAP_FAILED) return errno;
  maps[map] = (struct map){p, page, pages};
  return 0;
}

static int do_munmap(const int *a) {
  int map = a[0], page = a[1], pages = a[2];
  char *p = map_address(map, page);
  if (!p) return EINVAL;
  int r = result_of(munmap(p, (size_t)pages * PAGE));
  if (!r && page == maps[map].page && pages == maps[map].pages) maps[map].address = 0;
  return r;
}

static int do_touch(const int *a) {
  volatile char *p = map_address(a[0], a[1]);
  if (!p) return EINVAL;
  if (a[2]) *p = 1;
  else (void)*p;
  return 0;
}

static int do_pin(const int *a) {
  int id = a[0], map = a[1], page = a[2], pages = a[3], how = a[4], into = a[5];
  struct pin *pin = &pins[id];
  char *p = map_address(map, page);
  size_t length = (size_t)pages * PAGE;
  if (pin->how >= 0) return EBUSY;
  if (!p) return EINVAL;
  struct iovec vector = {p, length};
  int r = 0;
  memset(pin, 0, sizeof *pin);
  pin->how = -1;
  if (how == PIN_ODIRECT) {
    if (syscall(SYS_io_setup, 1, &pin->context)) return errno;
    pin->request = (struct iocb){.aio_fildes = held_disk[id],
                                 .aio_lio_opcode = into ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
                                 .aio_buf = (uintptr_t)p,
                                 .aio_nbytes = length};
    struct iocb *list[1] = {&pin->request};
    long n = syscall(SYS_io_submit, pin->context, 1, list);
    if (n != 1) {
      r = n < 0 ? errno : EAGAIN;
      syscall(SYS_io_destroy, pin->context);
      return r;
    }
    /* A failure to pin shows as an event that is there at once: the request never reached the disk. */
    struct io_event event;
    struct timespec now = {0, 0};
    if (syscall(SYS_io_getevents, pin->context, 0, 1, &event, &now) == 1) {
      syscall(SYS_io_destroy, pin->context);
      return event.res < 0 ? -event.res : EIO;
    }
  } else if (how == PIN_VMSPLICE) {
    if (pipe2(pin->pipe, O_CLOEXEC)) return errno;
    ssize_t n = vmsplice(pin->pipe[1], &vector, 1, SPLICE_F_NONBLOCK);
    if (n <= 0) {
      r = n < 0 ? errno : EIO;
      close(pin->pipe[0]), close(pin->pipe[1]);
      return r;
    }
    pin->bytes = n;
  } else {
    struct io_uring_params params = {0};
    pin->ring = syscall(SYS_io_uring_setup, 4, &params);
    if (pin->ring < 0) return errno;
    if (syscall(SYS_io_uring_register, pin->ring, IORING_REGISTER_BUFFERS, &vector, 1)) {
      r = errno;
      close(pin->ring);
      return r;
    }
  }
  pin->how = how;
  return r;
}

static int do_unpin(const int *a) {
  int id = a[0], r = 0;
  struct pin *pin = &pins[id];
  if (pin->how == PIN_ODIRECT) {
    struct io_event event;
    if (dm_resume(id) < 0) r = errno;
    while (syscall(SYS_io_getevents, pin->context, 1, 1, &event, 0) < 0 && errno == EINTR) {}
    if (event.res < 0) r = -event.res;
    syscall(SYS_io_destroy, pin->context);
    /* Suspending waits for the work that completes the request, and so for its last put. A read that
       finds its pages clean gives them back from another work item; that one can only be waited out. */
    if (dm_suspend(id) < 0) r = errno;
    if (pin->request.aio_lio_opcode == IOCB_CMD_PREAD) sleep_ms(10);
  } else if (pin->how == PIN_VMSPLICE) {
    char *sink = malloc(pin->bytes);
    for (int got = 0; got < pin->bytes;) {
      ssize_t n = read(pin->pipe[0], sink, pin->bytes - got);
      if (n <= 0) {
        r = EIO;
        break;
      }
      got += n;
    }
    free(sink);
    close(pin->pipe[0]), close(pin->pipe[1]);
  } else if (pin->how == PIN_IO_URING) {
    if (syscall(SYS_io_uring_register, pin->ring, IORING_UNREGISTER_BUFFERS, 0, 0)) r = errno;
    close(pin->ring);
    sleep_ms(20);
  } else {
    return EINVAL;
  }
  pin->how = -1;
  return r;
}

/* Pages that were poisoned, as every process sees them; they are healed when the program is over. */
static struct {
  int count;
  uint64_t pfn[OPS];
} *poisoned;

/* The page behind an address of this process, by its page table; 0 if there is none. */
static uint64_t page_behind(char *p) {
  uint64_t entry = 0;
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8) entry = 0;
  close(fd);
  return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static int do_poison(char *p) {
  if (!p) return EINVAL;
  uint64_t pfn = page_behind(p);
  if (pfn && poisoned->count < OPS) poisoned->pfn[poisoned->count++] = pfn;
  return result_of(madvise(p, PAGE, 100 /* MADV_HWPOISON */));
}

static int do_write(const int *a) {
  static char bytes[PAGE];
  memset(bytes, 'w', sizeof bytes);
  for (int i = 0; i < a[2]; i++)
    if (pwrite(files[a[0]], bytes, PAGE, (off_t)(a[1] + i) * PAGE) != PAGE) return errno;
  return 0;
}

static const char *file_path(int file);

static void close_files(void) {
  for (int f = 0; f < program.files; f++) {
    if (files[f] >= 0) close(files[f]);
    files[f] = -1;
  }
}

static void open_files(void) {
  for (int f = 0; f < program.files; f++) files[f] = open(file_path(f), O_RDWR);
}

/* Where the file system of the program is mounted, and its device. */
static const char *directory(void) { return directories[program.fs[0] == 'x']; }
static const char *device(void) { return program.fs[0] == 'x' ? "pmem1" : "pmem0"; }

static int mount_again(void) {
  char path[32];
  snprintf(path, sizeof path, "/dev/%s", device());
  return result_of(mount(path, directory(), program.fs, 0, "dax=always"));
}

static int perform(const struct op *op) {
  const int *a = op->arg;
  off_t at = (off_t)a[1] * PAGE;
  char *p = op->kind == OP_MLOCK || op->kind == OP_MUNLOCK || op->kind == OP_DONTNEED || op->kind == OP_POISON
                ? map_address(a[0], a[1])
                : 0;
  switch (op->kind) {
    case OP_MMAP: return do_mmap(a);
    case OP_MUNMAP: return do_munmap(a);
    case OP_TOUCH: return do_touch(a);
    case OP_PIN: return do_pin(a);
    case OP_UNPIN: return do_unpin(a);
    case OP_PUNCH:
      return result_of(fallocate(files[a[0]], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)a[2] * PAGE));
    case OP_TRUNCATE: return result_of(ftruncate(files[a[0]], at));
    case OP_WRITE: return do_write(a);
    case OP_REFLINK: return result_of(ioctl(files[a[0]], FICLONE, files[a[1]]));
    case OP_MLOCK: return p ? result_of(mlock(p, (size_t)a[2] * PAGE)) : EINVAL;
    case OP_MUNLOCK: return p ? result_of(munlock(p, (size_t)a[2] * PAGE)) : EINVAL;
    case OP_FSYNC: return result_of(fsync(files[a[0]]));
    case OP_DONTNEED: return p ? result_of(madvise(p, (size_t)a[2] * PAGE, MADV_DONTNEED)) : EINVAL;
    case OP_POISON: return do_poison(p);
    case OP_UMOUNT: return result_of(umount2(directory(), 0));
    case OP_MOUNT: return mount_again();
    case OP_CLOSE: close_files(); return 0;
    case OP_OPEN: open_files(); return 0;
    default: return ENOSYS;
  }
}

/* An operation, and the signal that ends it if one does. */
static int attempt(const struct op *op) {
  int number = sigsetjmp(fault_jump, 1);
  armed = !number;
  int reply = number ? SIGNAL_BASE + number : perform(op);
  armed = 0;
  return reply;
}

/* ---- the coordinator ------------------------------------------------------------------------------ */

enum { IDLE, BUSY, BLOCKED, GONE };

static struct {
  int pid;
  int socket[2]; /* coordinator's end, worker's end */
  int state;
  int op; /* what it is busy or blocked with */
} procs[PROCS];

/* In a recording the processes of a workload are told apart by this. */
static void name_process(int self) {
  char name[16];
  snprintf(name, sizeof name, "process%d", self);
  prctl(PR_SET_NAME, name);
}

static void worker(int self) {
  name_process(self);
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER | SA_RESTART};
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  for (int i = 0; i < PINS; i++) pins[i].how = -1;
  for (;;) {
    struct op op;
    if (read(procs[self].socket[1], &op, sizeof op) != sizeof op) _exit(0);
    int reply = 0;
    if (op.kind == OP_EXIT) _exit(0);
    if (op.kind == OP_FORK) {
      int child = op.arg[0], pid = fork();
      if (pid == 0) {
        /* Pins stay with the parent: the child owns none of the requests. */
        self = child;
        name_process(self);
        for (int i = 0; i < PINS; i++) pins[i].how = -1;
        continue;
      }
      reply = pid < 0 ? -errno : pid;
    } else {
      reply = attempt(&op);
    }
    if (write(procs[self].socket[1], &reply, sizeof reply) < 0) _exit(1);
  }
}

enum { RUNS, SLEEPS, SLEEPS_ON_PAGE };

/*
 * Whether a process is off the CPU in the kernel, and if so whether in a place where only another process
 * can end the sleep. Functions of the scheduler and of locks are not shown in a stack, so a process that
 * waits for a file's lock just sleeps.
 */
static int sleeps_in_kernel(int pid, char *stack, size_t size) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  if (!f) return RUNS;
  char *ok = fgets(line, sizeof line, f);
  fclose(f);
  char *after = ok ? strrchr(line, ')') : 0;
  if (!after || (after[2] != 'S' && after[2] != 'D')) return RUNS;
  snprintf(path, sizeof path, "/proc/%d/stack", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return RUNS;
  ssize_t n = read(fd, stack, size - 1);
  close(fd);
  if (n <= 0) return RUNS;
  stack[n] = 0;
  return strstr(stack, "break_") || strstr(stack, "dax_layout") || strstr(stack, "wait_dax") ? SLEEPS_ON_PAGE : SLEEPS;
}

static int exists(int pid) { return kill(pid, 0) == 0; }

/* Looks 3 ms apart that must show the same stack before a process counts as asleep for good. */
enum { LOOKS_ON_PAGE = 3, LOOKS_ELSEWHERE = 20 };

/*
 * Waits until a worker has answered, or sleeps for good: off the CPU with the same kernel stack in
 * several looks in a row, few where the stack says that a page is waited for, more where it may be a
 * file's lock or just a slow disk.
 */
enum { ASLEEP, ANSWERED, SPINS };

/* Seconds of CPU time in one system call after which it counts as a loop without end. */
enum { SPIN_LIMIT = 3 };

/* CPU time of a process, which does not pass while the host has no time for the guest. */
static double cpu_seconds(int pid) {
  char path[64], line[512];
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  char *ok = fgets(line, sizeof line, f);
  fclose(f);
  char *after = ok ? strrchr(line, ')') : 0;
  if (after) sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static int wait_for(int proc, int *reply) {
  static char stack[2][8192];
  int same = 0, looks = 0;
  double limit = seconds() + 120, started = cpu_seconds(procs[proc].pid);
  while (seconds() < limit) {
    struct pollfd poller = {procs[proc].socket[0], POLLIN, 0};
    if (poll(&poller, 1, same || procs[proc].state == BLOCKED ? 3 : 10) > 0) {
      if (read(procs[proc].socket[0], reply, sizeof *reply) == sizeof *reply) return ANSWERED;
      *reply = ECHILD;
      return ANSWERED;
    }
    if (!exists(procs[proc].pid)) {
      *reply = ECHILD;
      return ANSWERED;
    }
    int how = sleeps_in_kernel(procs[proc].pid, stack[looks & 1], sizeof stack[0]);
    if (how == RUNS || (same && strcmp(stack[0], stack[1]))) same = 0;
    if (how != RUNS && ++same == (how == SLEEPS_ON_PAGE ? LOOKS_ON_PAGE : LOOKS_ELSEWHERE)) return ASLEEP;
    looks++;
    /* To mount takes a while on a slow host, and is no loop. */
    int may_spin = program.op[procs[proc].op].kind != OP_MOUNT && program.op[procs[proc].op].kind != OP_UMOUNT;
    if (how == RUNS && may_spin && cpu_seconds(procs[proc].pid) - started > SPIN_LIMIT) return SPINS;
  }
  fprintf(stderr, "guest: %s: worker %d neither answers nor sleeps in a known place\n", program.name, proc);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stack", procs[proc].pid);
  FILE *f = fopen(path, "r");
  if (f) {
    while (fgets(stack[0], sizeof stack[0], f)) fputs(stack[0], stderr);
    fclose(f);
  }
  return ASLEEP;
}

/* The slots whose disk may hold a request of a worker, as bits. */
static unsigned slots_of(int p) {
  unsigned slots = 0;
  for (int i = 0; i < procs[p].op; i++) {
    const struct op *op = &program.op[i];
    if (op->kind == OP_PIN && op->proc == p && op->arg[4] == PIN_ODIRECT) slots |= 1u << op->arg[0];
  }
  return slots;
}

/*
 * Ends a worker that would never end by itself. What it held is given back by its exit, which waits for its direct
 * I/O; so the disks let that go meanwhile.
 */
static void kill_worker(int p) {
  unsigned slots = slots_of(p);
  kill(procs[p].pid, SIGKILL);
  for (int id = 0; id < PINS; id++)
    if (slots & 1u << id && dm_resume(id) < 0) fprintf(log_file, "X resume %d\n", errno);
  for (int i = 0; i < 500 && exists(procs[p].pid); i++) sleep_ms(10);
  for (int id = 0; id < PINS; id++)
    if (slots & 1u << id && dm_suspend(id) < 0) fprintf(log_file, "X suspend %d\n", errno);
  procs[p].pid = 0;
  procs[p].state = GONE;
}

/* What was last written to the log, so that only changes are written. */
static int64_t backing[FILES][MAX_FILE_PAGES];
static int seen_count;
static struct {
  uint64_t pfn;
  uint64_t words[2 * PAGE_WORDS];
  int length;
} seen[MAX_SEEN];

static int watched_pages(int file) {
  int n = program.watch[file] ? program.watch[file] : program.file[file].pages;
  return n < MAX_FILE_PAGES ? n : MAX_FILE_PAGES;
}

static uint64_t first_pfn[2]; /* of the two pmem devices */
static int mounted;

static void see(uint64_t pfn) {
  for (int i = 0; i < seen_count; i++)
    if (seen[i].pfn == pfn) return;
  if (seen_count == MAX_SEEN) return;
  seen[seen_count].length = 0;
  seen[seen_count++].pfn = pfn;
}

/* Whether an operation on a file sleeps: it has the file's lock, which FIEMAP would wait for. */
static int is_locked(int file) {
  for (int p = 0; p < PROCS; p++) {
    if (!procs[p].pid || procs[p].state != BLOCKED) continue;
    const struct op *op = &program.op[procs[p].op];
    if (op->arg[0] == file || (op->kind == OP_REFLINK && op->arg[1] == file)) return 1;
  }
  return 0;
}

/* Which block is behind each page of each file. */
static void snapshot_backing(void) {
  static struct {
    struct fiemap head;
    struct fiemap_extent extent[256];
  } map;
  for (int f = 0; f < program.files; f++) {
    int pages = watched_pages(f);
    static int64_t now[MAX_FILE_PAGES];
    for (int i = 0; i < pages; i++) now[i] = -1;
    memset(&map, 0, sizeof map);
    map.head.fm_length = (uint64_t)pages * PAGE;
    map.head.fm_extent_count = 256;
    if (files[f] < 0 || is_locked(f)) {
      fprintf(log_file, "U %d\n", f);
      continue;
    }
    if (ioctl(files[f], FS_IOC_FIEMAP, &map)) {
      fprintf(log_file, "X fiemap %d %d\n", f, errno);
      continue;
    }
    for (unsigned e = 0; e < map.head.fm_mapped_extents; e++) {
      struct fiemap_extent *x = &map.extent[e];
      if (x->fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC)) continue;
      for (uint64_t at = 0; at < x->fe_length; at += PAGE) {
        uint64_t page = (x->fe_logical + at) / PAGE;
        if (page >= (uint64_t)pages) break;
        now[page] = (first_pfn[program.fs[0] == 'x'] + (x->fe_physical + at) / PAGE) * 2 +
                    !!(x->fe_flags & FIEMAP_EXTENT_UNWRITTEN);
      }
    }
    for (int i = 0; i < pages; i++) {
      if (now[i] == backing[f][i]) continue;
      backing[f][i] = now[i];
      if (now[i] < 0) {
        fprintf(log_file, "B %d %d -\n", f, i);
      } else {
        fprintf(log_file, "B %d %d %llx%s\n", f, i, (long long)now[i] / 2, now[i] & 1 ? " u" : "");
        see(now[i] / 2);
      }
    }
  }
}

/* Pages that follow each other and say the same, but that the place in the file may grow by one each. */
static struct {
  uint64_t first, count;
  uint64_t words[2 * PAGE_WORDS];
  int length;
  uint64_t step;
} run;

static void write_run(void) {
  if (!run.count) return;
  if (run.count == 1) fprintf(log_file, "S %llx", (long long)run.first);
  else fprintf(log_file, "R %llx %llx %d", (long long)run.first, (long long)run.count, (int)run.step);
  for (int w = 0; w < run.length; w++) fprintf(log_file, " %llx", (long long)run.words[w]);
  fprintf(log_file, "\n");
  run.count = 0;
}

enum { INDEX_WORD = 4 };

static int continues_run(uint64_t pfn, const uint64_t *words, int length) {
  if (!run.count || pfn != run.first + run.count || length != PAGE_WORDS || run.length != PAGE_WORDS) return 0;
  uint64_t step = words[INDEX_WORD] - run.words[INDEX_WORD];
  if (run.count == 1) run.step = step == 1;
  if (step != run.step * run.count) return 0;
  for (int w = 0; w < PAGE_WORDS; w++)
    if (w != INDEX_WORD && words[w] != run.words[w]) return 0;
  return 1;
}

static void snapshot_pages(void) {
  map_part.block = 0;
  for (int i = 0; i < seen_count; i++) {
    uint64_t words[2 * PAGE_WORDS];
    if (!read_page(seen[i].pfn, words, 1)) {
      fprintf(log_file, "X page %llx\n", (long long)seen[i].pfn);
      continue;
    }
    /* The counts of a large folio are in the page after its head. Which flag says so differs between
       kernels, so a page that can be a head is written with the one that follows. */
    int length = PAGE_WORDS;
    if (seen[i].pfn % 512 == 0 && read_page(seen[i].pfn, words, 2)) length = 2 * PAGE_WORDS;
    if (length == seen[i].length && !memcmp(words, seen[i].words, length * 8)) continue;
    memcpy(seen[i].words, words, sizeof words);
    seen[i].length = length;
    if (continues_run(seen[i].pfn, words, length)) {
      run.count++;
      continue;
    }
    write_run();
    run.first = seen[i].pfn;
    run.count = 1;
    run.length = length;
    memcpy(run.words, words, sizeof words);
  }
  write_run();
}

static void snapshot(void) {
  snapshot_backing();
  snapshot_pages();
}

/* Every process has the files open, so each closes or opens them for itself. */
static void tell_all(int kind) {
  const struct op op = {.kind = kind};
  for (int p = 0; p < PROCS; p++) {
    int reply;
    if (procs[p].pid && procs[p].state == IDLE && write(procs[p].socket[0], &op, sizeof op) == sizeof op)
      wait_for(p, &reply);
  }
  if (kind == OP_OPEN) open_files();
  else close_files();
}

/* What is left to be done after an operation has ended. */
static void after(const struct op *op, int reply) {
  if (op->kind == OP_UMOUNT && !reply) mounted = 0;
  if (op->kind == OP_MOUNT && !reply) mounted = 1;
  if ((op->kind == OP_UMOUNT && reply) || (op->kind == OP_MOUNT && !reply)) tell_all(OP_OPEN);
}

/* Looks after the workers that were asleep: any of them may have been woken by what was just done. */
static void collect_woken(void) {
  for (int again = 1; again;) {
    again = 0;
    for (int p = 0; p < PROCS; p++) {
      int reply;
      if (!procs[p].pid || procs[p].state != BLOCKED || wait_for(p, &reply) != ANSWERED) continue;
      procs[p].state = IDLE;
      again = 1;
      fprintf(log_file, "D %d %d\n", procs[p].op, reply);
      mark("op %d ends: %d", procs[p].op, reply);
      after(&program.op[procs[p].op], reply);
    }
  }
}

static void start_worker(int p) {
  int pid = fork();
  if (pid < 0) die("fork: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    worker(p);
  }
  procs[p].pid = pid;
  procs[p].state = IDLE;
}

static void end_worker(int p) {
  struct op op = {.kind = OP_EXIT};
  if (write(procs[p].socket[0], &op, sizeof op) < 0) kill(procs[p].pid, SIGKILL);
  for (int i = 0; i < 2000 && exists(procs[p].pid); i++) usleep(500);
  procs[p].pid = 0;
  procs[p].state = GONE;
}

static const char *file_path(int f) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%d", directory(), f);
  return path;
}

static void write_pages(int fd, int pages) {
  static char bytes[16 * PAGE];
  for (int done = 0; done < pages;) {
    int n = pages - done < 16 ? pages - done : 16;
    if (pwrite(fd, bytes, (size_t)n * PAGE, (off_t)done * PAGE) != (ssize_t)n * PAGE) die("write: %s", strerror(errno));
    done += n;
  }
}

/*
 * Lets the driver forget that pages of the device were bad: a bad block that is written to is good again. Without
 * that the next program would find the mark. Only blocks that no file has any more.
 */
static void heal(void) {
  static char zeroes[64 * PAGE] __attribute__((aligned(PAGE)));
  char path[64], line[64];
  snprintf(path, sizeof path, "/dev/%s", device());
  int disk = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
  snprintf(path, sizeof path, "/sys/class/block/%s/badblocks", device());
  int bad = open(path, O_WRONLY | O_CLOEXEC);
  if (disk < 0 || bad < 0) fprintf(log_file, "X heal %d\n", errno);
  /* A page that came and went while its file could not be asked was never seen. */
  for (int i = 0; i < poisoned->count; i++) see(poisoned->pfn[i]);
  for (int i = 0; i < seen_count && disk >= 0 && bad >= 0;) {
    int n = 1;
    while (n < 64 && i + n < seen_count && seen[i + n].pfn == seen[i].pfn + n) n++;
    uint64_t at = (seen[i].pfn - first_pfn[program.fs[0] == 'x']) * PAGE;
    int length = snprintf(line, sizeof line, "%llu %d\n", (long long)at / 512, n * PAGE / 512);
    if (write(bad, line, length) != length || pwrite(disk, zeroes, (size_t)n * PAGE, at) != (ssize_t)n * PAGE)
      fprintf(log_file, "X heal %d\n", errno);
    i += n;
  }
  close(disk), close(bad);
}

static void run_program(void) {
  fprintf(log_file, "P %s\n", program.name);
  mark("program %s", program.name);
  seen_count = 0;
  memset(backing, 0xff, sizeof backing);
  memset(procs, 0, sizeof procs);
  mounted = 1;
  poisoned->count = 0;
  for (int f = 0; f < program.files; f++) {
    struct file_spec *spec = &program.file[f];
    files[f] = open(file_path(f), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (files[f] < 0) die("%s: %s", file_path(f), strerror(errno));
    if (spec->huge && spec->allocated && fallocate(files[f], 0, 0, (off_t)spec->allocated * PAGE))
      die("fallocate: %s", strerror(errno));
    write_pages(files[f], spec->allocated);
    if (ftruncate(files[f], (off_t)spec->pages * PAGE)) die("ftruncate: %s", strerror(errno));
    fsync(files[f]);
    fprintf(log_file, "F %d %d\n", f, watched_pages(f));
  }
  for (int p = 0; p < PROCS; p++)
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, procs[p].socket)) die("socketpair: %s", strerror(errno));
  snapshot();
  fprintf(log_file, "I\n");

  /* A process that is named without having been forked is there from the start. */
  int forked[PROCS] = {0};
  for (int i = 0; i < program.ops; i++)
    if (program.op[i].kind == OP_FORK) forked[program.op[i].arg[0]] = 1;
  for (int i = 0; i < program.ops; i++) {
    int p = program.op[i].proc;
    if (!forked[p] && !procs[p].pid) start_worker(p);
  }

  for (int i = 0; i < program.ops; i++) {
    const struct op *op = &program.op[i];
    int p = op->proc, reply = 0;
    mark("op %d %s", i, op_names[op->kind]);
    if (!procs[p].pid || procs[p].state != IDLE) {
      fprintf(log_file, "O %d skipped 0\n", i);
    } else if (op->kind == OP_EXIT) {
      end_worker(p);
      fprintf(log_file, "O %d done 0\n", i);
    } else if (op->kind == OP_FORK && procs[op->arg[0]].pid) {
      fprintf(log_file, "O %d skipped 0\n", i);
    } else {
      if (op->kind == OP_UMOUNT && mounted) tell_all(OP_CLOSE);
      procs[p].state = BUSY;
      procs[p].op = i;
      if (write(procs[p].socket[0], op, sizeof *op) != sizeof *op) die("worker %d is gone", p);
      int how = wait_for(p, &reply);
      if (how == SPINS) {
        kill_worker(p);
        fprintf(log_file, "O %d spins 0\n", i);
        mark("op %d spins", i);
      } else if (how == ANSWERED) {
        procs[p].state = IDLE;
        if (op->kind == OP_FORK && reply > 0) {
          procs[op->arg[0]].pid = reply;
          procs[op->arg[0]].state = IDLE;
          reply = 0;
        }
        fprintf(log_file, "O %d done %d\n", i, reply);
        mark("op %d ends: %d", i, reply);
        after(op, reply);
      } else {
        procs[p].state = BLOCKED;
        fprintf(log_file, "O %d blocked 0\n", i);
      }
    }
    collect_woken();
    snapshot();
    fprintf(log_file, "T %d\n", i);
  }

  /* The end of every program: all pins are dropped, all processes exit, the files are deleted. */
  mark("end");
  for (int p = 0; p < PROCS; p++)
    for (int id = 0; id < PINS && procs[p].pid && procs[p].state == IDLE; id++) {
      struct op unpin = {.kind = OP_UNPIN, .arg = {id}};
      int reply;
      if (write(procs[p].socket[0], &unpin, sizeof unpin) == sizeof unpin) wait_for(p, &reply);
    }
  collect_woken();
  for (int p = 0; p < PROCS; p++)
    if (procs[p].pid && procs[p].state == IDLE) end_worker(p);
  collect_woken();
  for (int p = 0; p < PROCS; p++) {
    if (!procs[p].pid) continue;
    if (procs[p].state == BLOCKED) {
      fprintf(log_file, "X stuck %d\n", procs[p].op);
      kill_worker(p);
      continue;
    }
    end_worker(p);
  }
  if (!mounted) {
    mount_again();
    open_files();
  }
  for (int f = 0; f < program.files; f++) {
    if (files[f] < 0) continue;
    if (ftruncate(files[f], 0)) fprintf(log_file, "X cleanup %d\n", errno);
    close(files[f]);
    unlink(file_path(f));
  }
  snapshot_pages();
  fprintf(log_file, "E\n");
  if (poisoned->count) heal();
  fflush(log_file);
  for (int p = 0; p < PROCS; p++) close(procs[p].socket[0]), close(procs[p].socket[1]);
}

static int kind_of(const char *name) {
  for (int i = 0; i < OP_KINDS; i++)
    if (!strcmp(op_names[i], name)) return i;
  die("unknown operation \"%s\"", name);
  return -1;
}

/* A number that sysfs has of a pmem device, in pages. */
static uint64_t device_pages(const char *name, const char *what, uint64_t unit) {
  char path[128], text[64] = "";
  snprintf(path, sizeof path, "/sys/class/block/%s/%s", name, what);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) die("%s: %s", path, strerror(errno));
  close(fd);
  return strtoull(text, 0, 0) * unit / PAGE;
}

static uint64_t device_start(const char *name) { return device_pages(name, "device/resource", 1); }
static uint64_t device_end(const char *name) { return device_start(name) + device_pages(name, "size", 512); }

/* Copies what is left in a CPU's ring buffer, page by page, without waiting for more. */
static int copy_raw(const char *from, const char *to) {
  static char page[PAGE];
  int in = open(from, O_RDONLY | O_NONBLOCK), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (in < 0 || out < 0) die("%s: %s", from, strerror(errno));
  for (ssize_t n; (n = read(in, page, sizeof page)) > 0;) {
    memset(page + n, 0, sizeof page - n);
    if (write(out, page, sizeof page) != sizeof page) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "raw")) return copy_raw(argv[2], argv[3]);
  if (argc != 5) die("usage: guest PROGRAMS LOG EXT4_DIR XFS_DIR");
  FILE *in = fopen(argv[1], "r");
  if (!in) die("%s: %s", argv[1], strerror(errno));
  log_file = fopen(argv[2], "w");
  if (!log_file) die("%s: %s", argv[2], strerror(errno));
  directories[0] = argv[3];
  directories[1] = argv[4];
  signal(SIGCHLD, SIG_IGN);
  marker = open("/sys/kernel/tracing/trace_marker", O_WRONLY | O_CLOEXEC);
  poisoned = mmap(0, sizeof *poisoned, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (poisoned == MAP_FAILED) die("mmap: %s", strerror(errno));
  open_kcore();
  make_held_disks();
  first_pfn[0] = device_start("pmem0");
  first_pfn[1] = device_start("pmem1");
  /* The last page of the device is in no file: what it counts is what idle means on this kernel. */
  uint64_t words[PAGE_WORDS];
  if (!read_page(device_end("pmem0") - 1, words, 1)) die("cannot read struct pages through /proc/kcore");
  fprintf(log_file, "G 1 %llx %llx %d\n", (long long)kcore.memory_map, (long long)first_pfn[0],
          (int)(words[6] >> 32));

  char line[256], name[32];
  double started = seconds();
  int count = 0;
  while (fgets(line, sizeof line, in)) {
    struct op *op = &program.op[program.ops];
    int index;
    if (sscanf(line, "program %63s %7s", program.name, program.fs) == 2) {
      program.files = program.ops = 0;
      memset(program.watch, 0, sizeof program.watch);
    } else if (sscanf(line, "file %d", &index) == 1) {
      if (index < 0 || index >= FILES) die("file %d", index);
      struct file_spec *spec = &program.file[index];
      if (sscanf(line, "file %*d %d %d %d %d", &spec->pages, &spec->allocated, &spec->huge, &program.watch[index]) != 4)
        die("%s: %s", program.name, line);
      if (index >= program.files) program.files = index + 1;
    } else if (!strncmp(line, "end", 3)) {
      run_program();
      if (++count % 50 == 0) fprintf(stderr, "guest: %d programs in %.1f s\n", count, seconds() - started);
    } else if (sscanf(line, "op %31s", name) == 1) {
      if (program.ops == OPS) die("%s has too many operations", program.name);
      memset(op, 0, sizeof *op);
      op->kind = kind_of(name);
      sscanf(line, "op %*s %d %d %d %d %d %d %d %d", &op->proc, &op->arg[0], &op->arg[1], &op->arg[2], &op->arg[3],
             &op->arg[4], &op->arg[5], &op->arg[6]);
      program.ops++;
    }
  }
  fprintf(log_file, "Z %d\n", count);
  fclose(log_file);
  fprintf(stderr, "guest: %d programs in %.1f s\n", count, seconds() - started);
  return 0;
}
