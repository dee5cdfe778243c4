/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware as a process: the serial line is a pseudo-terminal whose name is printed as "port
 * NAME" when it is first read. A program that only writes, writes to its standard output. */
#define _XOPEN_SOURCE 600
#include "hal.h"
#include "microphone.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

const char hal_name[] = "posix";
const uint32_t hal_tick_hz = 1000000000;
const uint32_t hal_receive_bytes = 1023; /* the pseudo-terminal holds more */

static int line = -1;
static uint8_t in[4096], out[4096];
static size_t in_at, in_end, out_end;

void hal_init(void) {}

static void open_line(void)
{
    line = posix_openpt(O_RDWR | O_NOCTTY);
    if (line < 0 || grantpt(line) || unlockpt(line)) {
        perror("no pseudo-terminal");
        exit(1);
    }
    struct termios raw;
    /* stays open: without it, each hang-up of the host would be an error here */
    int other = open(ptsname(line), O_RDWR | O_NOCTTY);
    if (other < 0 || tcgetattr(other, &raw)) {
        perror(ptsname(line));
        exit(1);
    }
    raw.c_iflag = raw.c_oflag = raw.c_lflag = 0;
    raw.c_cflag = CS8 | CREAD | CLOCAL;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(other, TCSANOW, &raw);
    fcntl(line, F_SETFL, O_NONBLOCK);
    printf("port %s\n", ptsname(line));
    fflush(stdout);
}

static void flush(void)
{
    for (size_t at = 0; at < out_end;) {
        ssize_t n = write(line < 0 ? STDOUT_FILENO : line, out + at, out_end - at);
        if (n > 0) at += (size_t)n;
        /* nobody listens: lost, as on a wire */
        else if (poll(&(struct pollfd){line, POLLOUT, 0}, 1, 100) <= 0) break;
    }
    out_end = 0;
}

int hal_read(void)
{
    if (line < 0) open_line();
    if (in_at == in_end) {
        flush();
        ssize_t n = read(line, in, sizeof in);
        in_at = 0;
        in_end = n > 0 ? (size_t)n : 0;
    }
    return in_at < in_end ? in[in_at++] : -1;
}

uint32_t hal_lost(void) { return 0; }
void hal_wait(void) { poll(&(struct pollfd){line, POLLIN, 0}, 1, mic_ready() ? 2 : 1000); }

void hal_write(const uint8_t *bytes, size_t n)
{
    while (n--) {
        out[out_end++] = *bytes++;
        if (out_end == sizeof out) flush();
    }
}

uint32_t hal_ticks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)t.tv_sec * 1000000000u + (uint32_t)t.tv_nsec;
}

size_t hal_stack_used(void) { return 0; }

void hal_exit(int code)
{
    flush();
    exit(code);
}
