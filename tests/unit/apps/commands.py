"""Command lines for single utilities, each with files to run on. A host's utilities give the right answers.

A line may name files of `FILES`, and change them: every one runs on fresh copies. `<NAME` at its end feeds a file.
`; ls -R` and the like are not there: no shell is needed.
"""

from __future__ import annotations

WORDS = b"pear\napple\nfig\napple\nBanana\n\nfig 10\nfig 9\nkiwi 007\n"

FILES: dict[str, bytes] = {
    "words": WORDS,
    "numbers": b"10\n9\n-3\n2.5\n2.25\n007\n\nabc\n1e3\n 4\n",
    "table": b"carol:30:x\nalice:25:y\nbob:30:a\ndave:4:\n:7:none\nnofields\n",
    "unended": b"first\nsecond line\nno newline at the end",
    "empty": b"",
    "binary": bytes(range(256)) + b"\0" * 64 + b"tail",
    "text": b"The quick brown fox\njumps over the lazy dog.\n\nfoo123 bar_45 foo\nTHE END (or not)\na.b*c\n[x]\n",
    "sorted": b"a\na\nb\nb\nb\nc\n",
    "tabs": b"a\tb\tc\n1\t2\t3\nplain\n",
    "patterns": b"fox\nEND\n",
    "dir/inner": b"inside the fox\n",
    "dir/sub/deep": b"deep down\n",
    "dir/.hidden": b"hidden\n",
    "other": b"pear\napple\nfig\nAPPLE\n",
}
"""By path, what every command line finds."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "echo": ("", "a b", "-n a", "'a  b' c", "-- x", "'' ''"),
    "cat": ("words", "words table", "-n words table", "-n unended words", "-u empty", "missing words", "<words", "- <text",
            "-n - unended <words", "-- words", "dir", "binary", "-z"),
    "true": ("", "x"),
    "false": ("", "x"),
    "head": ("words", "-n 2 words", "-n2 words table", "-2 words", "-n 0 words", "-c 5 words", "-c5 words table",
             "-n 100 unended", "-n -2 words", "-c -4 words", "<words", "-n 1 - words <text", "missing words", "-n x words",
             "-q words table", "-v words", "empty words", "-n 3 binary"),
    "tail": ("words", "-n 2 words", "-n +3 words", "-n+1 words", "-n +0 words", "-c 5 words", "-c +5 words", "-2 words",
             "-n 1 unended", "-n 2 unended", "-n 0 words", "-n 100 words", "words table", "<words", "missing words",
             "-n x words", "-n +100 words", "-c +100 empty"),
    "wc": ("words", "-l words", "-w text", "-c binary", "-m words", "-lw words table", "<words", "-l <words", "words missing",
           "empty", "unended", "-c words table text", "-l - words <text", "binary", "dir/inner words"),
    "tee": ("<words", "new <words", "-a words <table", "new1 new2 <text", "nodir/x <words"),
    "basename": ("/usr/lib/x.c", "/usr/lib/x.c .c", "x/", "/", "//", ".c .c", "", "a b c", "-s .c a.c b/c.c", "-a a/b c/d", "''"),
    "dirname": ("/usr/lib/x", "x", "x/", "/", "/x", "a/b/", "a//b", "", "/a/b /c/d e", "//a", "a/b//"),
    "seq": ("5", "2 5", "5 1", "1 2 10", "10 -3 0", "-2 2", "-w 8 11", "-w -5 5 5", "-s , 3", "0", "1 0 5", "", "x",
            "1 2 3 4", "3 3", "-s ' ' 1 3"),
    "pwd": ("",),
    "env": ("-i A=b C=d", "-i"),
    "sleep": ("0", "", "x", "0.01", "0s 0m"),
    "uniq": ("sorted", "-c sorted", "-d sorted", "-u sorted", "-cd sorted", "-i other", "words", "-f 1 words", "-s 1 words",
             "-f1 -s2 words", "unended", "empty", "<sorted", "- out <sorted", "missing", "-f x words", "a b c", "-du sorted"),
    "cut": ("-b 1 words", "-b 1-3,5 words", "-c 2- words", "-b -2 words", "-f 1 tabs", "-f 2,3 tabs", "-s -f 2 tabs",
            "-d: -f 1 table", "-d : -f 2- table", "-d: -f 3,1 table", "-d: -s -f2 table", "-f 0 table", "words",
            "-b 3-1 words", "-d: -b 1 words", "-d '' -f1 words", "-d ab -f1 words", "-f1 missing", "-b1 unended",
            "-b 2,4-5,7- text", "-b x words", "-b - words", "-d: -f2 <table", "-b1 empty", "-f 9 tabs"),
    "tr": ("a-z A-Z <text", "-d aeiou <text", "-s a-z <sorted", "-cd '[:alpha:]' <text", "-cs '[:alpha:]' '\\n' <text",
           "'[:lower:]' '[:upper:]' <text", "abc x <words", "'\\n' ' ' <words", "-d '\\000-\\010' <binary",
           "-s b <sorted", "-ds a-m n-z <words", "a '[x*]' <words", "abc '[x*2]y' <words", "-t abc d <words",
           "z-a x <words", "a <words", "a b c <words", "'[:foo:]' x <words", "-c a-z '\\n' <words", "-dc '[:digit:]\\n' <numbers",
           "'[=a=]' b <words", "a-f '[:digit:]' <words", "'a\\-z' 123 <text", "-d <words", "'\\141' Z <words", "'[:space:]' _ <text"),
    "grep": ("fox text", "-c fox text", "-i the text", "-n the text", "-v fox text", "-l fox text words", "-q fox text",
             "-q nothing text", "nothing text", "-x fig words", "-w foo text", "-o 'o[a-z]' text", "-E 'fox|dog' text",
             "-E '(a|b)+' text", "-F 'a.b*c' text", "-F '.' text", "-e fox -e dog text", "-f patterns text", "fox missing",
             "-s fox missing", "fox text dir/inner", "-h fox text dir/inner", "-H fox text", "-r fox dir", "-rl o dir",
             "'^a' words", "'e$' words", "'^$' words", "-vc '^$' words", "'a*' words", "-o 'p*' words", "'\\(ap\\)p' words",
             "'\\(.\\)\\1' words", "-E '(.)\\1' words", "-E 'p{2}' words", "'p\\{2\\}' words", "-E '^.{3}$' words",
             "'[[:digit:]]\\{1,\\}' words", "'[^a-z]' words", "'[]x]' text", "'\\[x' text", "'\\.' text", "-E '\\(or' text",
             "-E 'a|' words", "-E '()' words", "-E 'x{1' text", "'[' text", "'\\(' text", "-E '(' text", "-E 'a{2,1}' text",
             "'a\\{1' text", "'\\' text", "'a\\|f' words", "'ap\\+' words", "'fi\\?g' words", "'\\<foo' text", "'foo\\>' text",
             "-E '\\bfoo\\b' text", "'\\w\\+_' text", "-o '\\w*' text", "-n '' words", "-io APPLE other", "-ic apple other",
             "'*a' text", "-E 'a**' words", "'^*' text", "'a^b' text", "'x$y' text", "-E 'a^' words", "-c '' empty",
             "fox <text", "fox - words <text", "-c fox - <text", "-nv fig words", "-L fox text words", "-m 2 fig words",
             "-F -x fig words", "-Fi FOX text", "-F -w foo text", "", "-E '[[:upper:]]+' text",
             "-on 'fig' words", "-xE 'fig|pear' words", "-vx fig words", "-wo 'foo' text", "-E 'fig (10|9)' words",
             "-e '' text", "-F '' words", "fox dir", "-E 'fig|figs|fig 1' -o words", "-E '\\.' text", "-lv zzz text words",
             "-E '[a-c]{2,3}' text", "-E '^(fig|kiwi)( [0-9]+)?$' words", "'[[:foo:]]' text", "-i 'BANANA' words",
             "-E 'b(ana)+n?' -io words", "-qs fox missing text", "-q fox text missing", "'[z-a]' text", "-E 'a{1,2}{2}' words"),
}
"""By utility, its command lines as a shell would split them."""
