/* SPDX-License-Identifier: MIT */
#include "base/process_stats.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void the_kernel_knows_this_process(void **state UNUSED)
{
    struct process_stats s;
    struct rlimit files;

    process_stats_read(&s);
    assert_int_equal(s.pid, getpid());
    assert_true(s.resident_bytes > 0 && s.virtual_bytes >= s.resident_bytes);
    assert_int_equal(s.threads, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(s.max_files, files.rlim_cur);
}

static void an_open_file_is_counted_until_it_is_closed(void **state UNUSED)
{
    struct process_stats before, with, after;
    int fd;

    process_stats_read(&before);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    process_stats_read(&with);
    close(fd);
    process_stats_read(&after);
    assert_true(before.open_files >= 3);
    assert_int_equal(with.open_files, before.open_files + 1);
    assert_int_equal(after.open_files, before.open_files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_knows_this_process),
        cmocka_unit_test(an_open_file_is_counted_until_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
