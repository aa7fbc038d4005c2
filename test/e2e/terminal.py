"""Runs a program on a terminal of its own: terminal.py COLUMNS ROWS PROGRAM ...

Reads lines from standard input: `key TEXT` types, `size COLUMNS ROWS` resizes, `signal NUMBER`. Prints what the program
writes, and at its end a line of JSON: its exit status, and whether the terminal's settings are what they were.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios

columns, rows, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
main, side = pty.openpty()


def size(columns, rows):
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


size(columns, rows)
before = termios.tcgetattr(side)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
    for stream in (0, 1, 2):
        os.dup2(side, stream)
    os.execvp(program[0], program)

status = None
watched = [main, 0]
while True:
    ready, _, _ = select.select(watched, [], [], 0.1)
    if main in ready:
        sys.stdout.buffer.write(os.read(main, 65536))
        sys.stdout.buffer.flush()
        continue
    if status is not None:
        break
    if 0 in ready:
        line = sys.stdin.buffer.raw.readline().decode().rstrip("\n")
        word, _, rest = line.partition(" ")
        if word == "":
            watched.remove(0)
        elif word == "key":
            os.write(main, rest.encode())
        elif word == "size":
            size(*map(int, rest.split()))
        elif word == "signal":
            os.kill(child, int(rest))
    done, code = os.waitpid(child, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)

print("\n" + json.dumps({"status": status, "restored": termios.tcgetattr(side) == before}))
