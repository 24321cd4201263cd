/* SPDX-License-Identifier: MIT */
#include "base/process_stats.h"

#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void read_memory(struct process_stats *out)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages;
    struct str rest, part;
    char text[128];

    if (!read_file("/proc/self/statm", text, sizeof(text)))
        return;
    rest = str_of(text);
    if (str_next(&rest, ' ', &part) && str_to_u64(part, &pages))
        out->virtual_bytes = pages * page;
    if (str_next(&rest, ' ', &part) && str_to_u64(part, &pages))
        out->resident_bytes = pages * page;
}

static uint64_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    uint64_t n = 0;

    if (dir == NULL)
        return 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* one of them was ours, for looking */
}

/* Linux 6.2 and later tell the number as the size of the directory; before, thousands would have to be listed. */
static uint64_t count_files(void)
{
    struct stat st;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    return count_entries("/proc/self/fd");
}

static uint64_t to_ms(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

void process_stats_read(struct process_stats *out)
{
    struct rlimit files;
    struct rusage usage;
    struct stat st;

    *out = (struct process_stats){.pid = getpid(), .open_files = count_files()};
    read_memory(out);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->cpu_ms = to_ms(usage.ru_utime) + to_ms(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        out->max_files = files.rlim_cur;
    if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 2)
        out->threads = st.st_nlink - 2; /* one directory for each */
}
