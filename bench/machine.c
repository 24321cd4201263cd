/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "base/str.h"
#include "fail.h"
#include "now.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* /proc/cpuinfo says "model name\t: Something"; not every architecture has it. */
static void read_cpu(char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(out, size, "unknown");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        struct str rest = str_of(line), name;

        if (str_next(&rest, ':', &name) && str_is(str_trim(name), "model name")) {
            str_copy(out, size, str_trim(rest));
            break;
        }
    }
    if (f != NULL)
        fclose(f);
}

void machine_read(struct machine *out)
{
    struct utsname u;
    double load[3] = {0};

    *out = (struct machine){.cores = sysconf(_SC_NPROCESSORS_ONLN)};
    read_cpu(out->cpu, sizeof(out->cpu));
    if (uname(&u) == 0)
        snprintf(out->kernel, sizeof(out->kernel), "%s %s", u.sysname, u.release);
    out->memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    if (getloadavg(load, 1) == 1)
        out->load = load[0];
}

/* "cpu  user nice system idle iowait irq softirq steal …", in ticks; a guest's time is part of the user's. */
static double busy_s(void)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    FILE *f = fopen("/proc/stat", "re");
    char line[256] = "", *at = line + sizeof("cpu") - 1;
    double ticks = 0;

    if (f == NULL || fgets(line, sizeof(line), f) == NULL)
        fail_sys("/proc/stat");
    fclose(f);
    for (int i = 0; i < FIELDS; i++) {
        double n = strtod(at, &at);

        ticks += i == IDLE || i == IOWAIT ? 0 : n;
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double own_s(void)
{
    double sum = 0;
    struct rusage u;

    for (int who = 0; who < 2; who++)
        if (getrusage(who == 0 ? RUSAGE_SELF : RUSAGE_CHILDREN, &u) == 0)
            sum += seconds(u.ru_utime) + seconds(u.ru_stime);
    return sum;
}

void machine_watch_begin(struct machine_watch *w)
{
    *w = (struct machine_watch){.busy_s = busy_s(), .own_s = own_s(), .wall_s = (double)now_ns() / 1e9};
}

double machine_watch_others(const struct machine_watch *w)
{
    double others = busy_s() - w->busy_s - (own_s() - w->own_s);
    double wall = (double)now_ns() / 1e9 - w->wall_s;

    return others <= 0 || wall <= 0 ? 0 : 100 * others / wall / (double)sysconf(_SC_NPROCESSORS_ONLN);
}

void machine_write(const struct machine *m, struct json_writer *w)
{
    json_begin_object(w);
    json_key_text(w, "cpu", m->cpu);
    json_key_i64(w, "cores", m->cores);
    json_key_text(w, "kernel", m->kernel);
    json_key_i64(w, "memory_bytes", m->memory_bytes);
    json_key(w, "load_at_start");
    json_put_real(w, m->load);
    json_end_object(w);
}
