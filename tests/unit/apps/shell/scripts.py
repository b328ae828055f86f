"""Scripts whose output and exit status under the shell are those of the host's dash; `%%` stands between them."""

from __future__ import annotations

WORDS = r"""
echo hello world
%%
echo 'single $x `y` \n' "double"
%%
x=5; echo "$x" '$x' \$x "\$x"
%%
echo "a  b"   c
%%
echo a\ b "c\"d" 'e'"f"'g'
%%
echo "tab	inside"
%%
x="a b  c"; echo $x; echo "$x"
%%
x=; echo "[$x]" [$x]; set -- $x; echo $#
%%
set -- "" '' "$nothing" $nothing; echo $#
%%
set -- a "b c" d; for i in "$@"; do echo "<$i>"; done
%%
set -- a "b c" d; for i in "$*"; do echo "<$i>"; done
%%
set -- a "b c" d; for i in $@; do echo "<$i>"; done
%%
set -- a "b c" d; for i in $*; do echo "<$i>"; done
%%
set -- a b; set -- "x$@y"; echo $#; echo "$1" "$2"
%%
set --; set -- "$@"; echo $#; set -- "$*"; echo $#
%%
IFS=:; set -- a b c; echo "$*"; x=1:2::3; set -- $x; echo $# "$3"
%%
IFS=; set -- a b; echo "$*"; x="p q"; set -- $x; echo $#
%%
IFS=' :'; x=' a : b:c  '; set -- $x; echo $# "$1" "$2" "$3"
%%
IFS=,; x=,a,,b,; for i in $x; do echo "[$i]"; done
%%
IFS=-; x=a-b; echo $x "$x"; y=$x; echo "$y"
%%
unset x; echo ${x-unset} ${x:-empty}; x=; echo ${x-unset}, ${x:-empty}
%%
unset x; echo ${x=1} $x; echo ${x:=2}; y=; echo ${y:=3} $y
%%
x=1; echo ${x+set} ${y+set} ${y:+set}; y=; echo [${y+set}] [${y:+set}]
%%
echo "${x:-a b}" ${x:-a b} "${x:-"q r"}"
%%
set -- ${nothing:-a b c}; echo $#; set -- "${nothing:-a b c}"; echo $#
%%
set -- ${nothing:-"a b" c}; echo $# "$1"
%%
x=hello; echo ${#x}; set -- a b c; echo ${#} $#; y=; echo ${#y}
%%
x=/usr/local/lib/file.tar.gz; echo ${x##*/} ${x#*/} ${x%.*} ${x%%.*}
%%
x=aXbXc; echo ${x%X*} ${x%%X*} ${x#*X} ${x##*X} "${x#a}" "${x%Z}"
%%
x='a*b'; echo "${x#a\*}" "${x#'a*'}" "${x%\*b}"
%%
p='*X'; x=aXbXc; echo ${x#$p} "${x##"$p"}" ${x##$p}
%%
echo ${nothing:+a}${nothing:-$(echo sub)}
%%
x=abc; echo $x.d ${x}d "$x"'y' $xd.
%%
set -- 1 2 3 4 5 6 7 8 9 ten eleven; echo $10 ${10} ${11}
%%
echo ~ | sed "s,^$HOME\$,home,"; echo "~" '~' a~ ~/x | sed "s,$HOME,home,"
%%
HOME=/h; x=~/a:~/b; echo $x ~/c; y=a~; echo $y
%%
echo $((1+2)) $(( 7 * 6 )) $((7/2)) $((-7/2)) $((7%3)) $((-7%3))
%%
echo $((1<2)) $((2<=1)) $((3==3)) $((3!=3)) $((1&&0)) $((1||0)) $((!5)) $((~5))
%%
echo $((5&3)) $((5|3)) $((5^3)) $((1<<4)) $((256>>3)) $((1?2:3)) $((0?2:3))
%%
x=5; echo $((x)) $(($x+1)) $((x+=3)) $x $((x*=2)) $((x-=1)) $((x/=3)) $((x%=3)) $((x<<=2)) $((x|=1))
%%
echo $((0x1f)) $((010)) $(( (1+2)*3 )) $((2+3*4-5)) $((- - 3)) $((+4))
%%
x=$((3+4)); y=$((x*2)); echo "$x $y $(( (x) ))"
%%
echo $((a=5, 1)) 2>/dev/null; echo not reached
%%
echo $((1/0)); echo no
%%
echo $((unset_variable + 1)) x; echo $((  )) no
%%
x='1 '; echo $((x+1)); echo $((1 ? 2 : 1/0)) $((0 && 1/0)) $((1 || 1/0))
%%
echo "$(echo a; echo b)" $(echo c; echo d)
%%
echo `echo one` `echo \`echo two\`` "`echo "three four"`"
%%
x=$(printf 'a\n\n\n'); echo "[$x]"; echo "[$(printf 'a\nb\n')]"
%%
echo $(echo $(echo $(echo deep)))
%%
echo "$(echo "in $(echo 'quo"ted')")"
%%
x=$(false); echo $?; x=$(exit 3); echo $?; echo $(exit 4) $?
%%
echo $( (echo sub; exit 2) ; echo $?)
%%
y=1; x=$(y=2; echo $y); echo $x $y
%%
echo $(case x in x) echo case;; esac)
%%
echo "a${x}b$y-c$(echo d)e$((1+1))f"
%%
echo $ $% "$" "a$" a$
%%
echo a#b #comment
%%
echo one; # comment
%%
echo a \
  b "c \
d"
%%
x=a; x=$x$x; x=$x$x; echo $x
%%
a=1 b=2; echo $a$b; a=3 b=$a; echo $b
%%
echo {a,b} a=b =c
%%
echo \a\b\\ "\a\b\\" 'a\b'
%%
echo "!" ! "a!b"
%%
echo ${x:-}} "${x:-}}"
%%
echo "${nothing:-'single'}" ${nothing:-'single'}
%%
echo -n no newline; echo; echo -n; echo 'a\tb\nc\\d\0101' 'x\cy' z
"""

GLOBS = r"""
touch a.txt b.txt c.dat .hidden; echo *; echo *.txt; echo ?.dat; echo .h*; echo *.none
%%
mkdir d e; touch d/x d/y e/x; echo */x; echo d/*; echo */; echo ./d/?; echo d//x*
%%
touch a1 a2 b1 'a b'; echo a[12] [!a]* [ab]1 a[0-9] a[!1]
%%
touch '*' x; echo '*' "*" \* *; echo "x"*
%%
touch a b; set -f; echo *; set +f; echo *
%%
touch aa ab; x='a*'; echo $x; echo "$x"; y=$x; echo "$y"
%%
touch 'a b' c; for i in *; do echo "<$i>"; done
%%
touch A b C 1 _; echo *; echo [[:upper:]] [[:digit:]_]
%%
touch a-b a]b 'a[b'; echo a[-]b a[]]b a\[b 'a['*
%%
case abc in a*) echo 1;; esac; case abc in ab) echo 2;; *) echo 3;; esac
%%
case a in b|a) echo or;; esac; case '*' in '*') echo star;; esac; case x in '*') echo no;; \*) echo no;
?) echo any;; esac
%%
x='a*'; case abc in "$x") echo quoted;; $x) echo pattern;; esac
%%
case abc in [a-c]??) echo range;; esac; case b in [!a]) echo not;; esac; case - in [a-]) echo dash;; esac
%%
case "a b" in "a b") echo space;; esac; case "" in "") echo empty;; esac
%%
case x in (x) echo paren;; esac; case y in x) ;; esac; echo $?
%%
case abc in *b*) echo mid;; esac; case a/b in a*b) echo slash;; esac
%%
case 5 in [[:alpha:]]) echo al;; [[:digit:]]) echo di;; esac
%%
for x in a.c b.h c.c; do case $x in *.c) echo "C $x";; *.h) echo "H $x";; esac; done
"""

CONTROL = r"""
if true; then echo yes; else echo no; fi; if false; then echo yes; else echo no; fi
%%
if false; then echo 1; elif true; then echo 2; else echo 3; fi; if false; then :; fi; echo $?
%%
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done; echo $?
%%
i=0; until [ $i -ge 3 ]; do i=$((i+1)); echo $i; done
%%
for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; echo $i; done
%%
for i in 1 2 3; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
%%
for i in 1 2 3; do for j in a b; do [ $i = 2 ] && break 2; echo $i$j; done; done; echo end
%%
for i; do echo $i; done; set -- x y; for i; do echo $i; done; for i in; do echo never; done; echo $?
%%
while true; do while true; do break 2; done; echo no; done; echo out
%%
true && echo a || echo b; false && echo a || echo b; false || false || echo c
%%
true; echo $?; false; echo $?; ! true; echo $?; ! false; echo $?
%%
(exit 3); echo $?; (x=1; echo $x); echo "[$x]"
%%
{ echo a; echo b; }; { false; }; echo $?
%%
(cd /; pwd); x=$(cd /usr && pwd); echo $x
%%
f() { echo "f $1 $# $@"; return 3; }; f a b; echo $?
%%
f() { x=inner; local y=loc; echo $y; }; y=out; f; echo $x $y
%%
f() { if [ $1 -gt 0 ]; then echo $1; f $(($1-1)); fi; }; f 3
%%
f() (echo sub; x=1); f; echo "[$x]"
%%
f() { echo $#; shift; echo $1 $#; shift 2; echo $1; }; f a b c d; set -- q; f 1 2 3; echo $1
%%
f() { for i in 1 2; do return 5; done; echo no; }; f; echo $?
%%
f() { g; echo after; }; g() { return 2; }; f; echo $?
%%
f() { false; }; if f; then echo t; else echo e; fi
%%
echo() { printf 'mine\n'; }; echo a; unset -f echo; echo b
%%
f() { cat; } ; echo piped | f; f <<E
doc
E
%%
unset_cmd_xyz; echo $?; /nonexistent/x; echo $?; touch n; ./n; echo $?
%%
./dir 2>/dev/null; echo $?; mkdir dd; ./dd; echo $?
%%
x=5; [ $x -eq 5 ] && [ "$x" = 5 ] && [ -n "$x" ] && ! [ -z "$x" ] && echo all
%%
set -e; echo a; false; echo b
%%
set -e; if false; then :; fi; false || true; ! true; echo still; (false); echo no
%%
set -e; f() { false; echo in f; }; f || echo handled; f; echo no
%%
set -e; x=$(false); echo no
%%
set -e; false | true; echo ok; true | false; echo no
%%
set -u; echo ${x-ok}; echo $x; echo no
%%
set -u; echo "$#" "$@"; x=; echo "[$x]"; echo ${y:-d}; echo $((zz+1)); echo no
%%
exit 7
%%
(exit 300); echo $?; f() { return 255; }; f; echo $?
%%
false; exit
%%
trap 'echo bye' EXIT; echo hi; exit 3
%%
trap 'echo bye $?' EXIT; false
%%
(trap 'echo sub' EXIT; echo in); echo out
%%
eval 'echo a; x=3'; echo $x; eval "echo \$x" b; eval; echo $?; eval false; echo $?
%%
eval 'for i in 1 2; do echo $i; done'; y='echo "a  b"'; eval $y; eval "$y"
%%
echo 'x=9; echo dot $1' >s; . ./s; echo $x; set -- arg; . ./s
%%
echo 'return 4; echo no' >s; . ./s; echo $?
%%
echo 'echo $0 $1 $#' >s; chmod +x s; sh ./s a b | sed 's,^.*s a,s a,'
%%
set -- a b c; shift; echo "$@"; shift 2; echo $#; set -- a -b; echo $2; set -- -- x; echo $1 $#
%%
export A=1; sh -c 'echo $A'; B=2 sh -c 'echo $B'; echo "[$B]"; C=3; sh -c 'echo "[$C]"'
%%
A=1; export A; A=2; env | grep '^A='; unset A; env | grep -c '^A='
%%
readonly r=1; r=2; echo no
%%
readonly r=1; (r=2); echo $? $r; unset r; echo no
%%
x=1; x=2 eval 'echo $x'; echo $x; x=3 true; echo $x; x=4 :; echo $x
%%
command echo hi; command -v echo; command -v nosuch; echo $?; command -v if; command true; echo $?
%%
type cd nosuchthing; echo $?
%%
: a b; echo $?; true x; echo $?
%%
while read x; do echo "[$x]"; done <<E
a b
 c
d
E
%%
if true; then
  echo multi
fi
%%
for i in a \
 b; do
  echo $i
done
%%
case $((1+1)) in
  1) echo one ;;
  2)
    echo two
    ;;
esac
%%
echo a &&
echo b ||
echo c
%%
{ echo 1
echo 2
}
%%
(
echo s
)
%%
wait; echo $?; true & wait $!; echo $?; sh -c 'exit 5' & wait $!; echo $?
%%
sleep 0.1 & wait; echo waited; wait 99999; echo $?
%%
(sleep 0.1; echo bg) & wait; echo done
%%
getopts ab: o -a -b val x; echo $o $OPTIND; getopts ab: o -a -b val x; echo $o $OPTARG $OPTIND
getopts ab: o -a -b val x; echo $? $OPTIND
%%
set -- -xy -z v r; while getopts xyz: o; do echo "$o $OPTARG"; done; shift $((OPTIND-1)); echo "$@"
%%
while getopts :a: o -b -a; do echo "$o $OPTARG"; done
"""

STREAMS = r"""
echo a >f; cat f; echo b >>f; cat f; cat <f; wc -l <f | tr -d ' '
%%
echo err >&2; echo out 2>/dev/null; ls /nonexistent 2>/dev/null; echo $?
%%
{ echo out; echo err >&2; } 2>&1 | sort; { echo out; echo err >&2; } >f 2>&1; sort f
%%
ls /nonexistent 2>&1 | wc -l | tr -d ' '; x=$(ls /nonexistent 2>&1); test -n "$x" && echo text
%%
echo a >f >g; wc -c f g | head -2 | tr -s ' '; cat <nonexistent; echo $?; echo x >/nonexistent/f; echo $?
%%
exec 3>f; echo three >&3; exec 3>&-; cat f; echo x >&3; echo $?
%%
exec 4<<E
line1
line2
E
%%
read a <&4; read b <&4; echo $b $a
%%
echo a b | { read x y; echo $y $x; }
%%
printf '1\n2\n3\n' | while read n; do echo $((n*2)); done
%%
printf '1\n2\n3\n' | { while read n; do s=$((s+n)); done; echo $s; }
%%
seq 5 | while read n; do [ $n = 3 ] && break; echo $n; done
%%
yes | head -n 2; yes | while read x; do echo $x; break; done
%%
for i in 3 1 2; do echo $i; done | sort; for i in 1 2; do echo $i; done | while read x; do echo "<$x>"; done
%%
seq 20000 | { cat; } | wc -l | tr -d ' '; x=$(seq 20000 | tail -n 1); echo $x
%%
seq 20000 | while read x; do echo $x; [ $x = 60 ] && break; done | tail -n 1
%%
echo abc | tr a-c A-C | rev; true | false; echo $?; false | true; echo $?; ! true | false; echo $?
%%
{ seq 3000; } | { cat; } | { wc -l; } | tr -d ' '
%%
(echo a; echo b) | sed 's/^/> /'; { cat | cat; } <<E
x
E
%%
cat <<E
x is $x $(echo sub) \$x `echo bq` $((1+1)) "q" 'q'
E
%%
cat <<'E'
x is $x $(echo sub) \$x
E
%%
x=v; cat <<E
${x} ${x:-d} ${n:-d} "${n:-"e"}" \\ \a
E
%%
cat <<-E
	tabs
		off
	E
%%
cat <<A; cat <<B
a
A
b
B
%%
cat <<E | tr a-z A-Z
pipe
E
%%
x=$(cat <<E
in substitution
E
); echo "$x"
%%
while read a b; do echo "$b,$a"; done <<E
1 2
3 4 5
E
%%
read x <<E
one\
two
E
%%
echo $x; read -r x <<'E'
a\b
E
%%
echo "$x"
%%
echo 'a b c' | { read x; echo "$x"; }; echo ' a  b ' | { read x y; echo "[$x][$y]"; }
%%
echo a:b:c | { IFS=: read x y; echo "$x $y"; }; echo a: | { IFS=: read x; echo "$x"; }
echo a:b: | { IFS=: read x y; echo "$y"; }
%%
echo 'a\b' | { read x; echo "$x"; }; printf 'no newline' | { read x; echo "$x $?"; }; read x </dev/null; echo $?
%%
printf 'a\nb\n' >f; { read x; read y; } <f; echo $y$x; while read l; do echo "l $l"; done <f
%%
echo content >f; cat <f >g; cat g; : >f; wc -c <f | tr -d ' '; >h; test -f h && echo made
%%
set -C; echo a >f; echo b >f; echo $?; echo c >|f; cat f
%%
echo x 1>f; cat f; echo y 2>g >h; cat h; cat 0<h; echo z >&1; (echo e >&2) 2>f; cat f
%%
exec >f; echo to file; exec >&2; cat f >g
%%
{ echo 1 >&3; } 3>f; cat f; f() { echo fn; }; f >g; cat g; if true; then echo i; fi >h; cat h
%%
for i in 1 2; do echo $i; done >f; while read x; do echo r$x; done <f; case a in a) echo c;; esac >g; cat g
%%
echo both <>f; cat 2>/dev/null <f >/dev/null; echo $?; echo a>f;cat<f
%%
echo 'cat' >s; echo input | sh s; echo "echo hi; cat" | sh; printf 'read x\ngot this\necho $x\n' | sh
%%
printf '%s-%d|%5s|%-5s|%05d|%x|%X|%o|%c|%%\n' a 12 b c 42 255 255 8 xyz
%%
printf '%s\n' a b c; printf '%s %s\n' 1 2 3; printf 'x\ty\n'; printf '%b' 'a\nb\n'; printf '\101\n'
printf '%.2s|%+d|% d\n' abc 5 6
%%
printf '%d %d\n' 0x10 010 "'a"; printf '%i\n' -5; printf '%5.3d|%-6d|%#x|%#o\n' 7 8 9 10; printf '[%*d]\n' 5 42
printf '%s\n'
%%
printf 'a%sb\n'; printf '%d\n' abc; echo $?; printf '%u %s\n' 3
%%
test a = a; echo $?; test a != a; echo $?; test 1 -lt 2 -a 2 -gt 1; echo $?; [ a ]; echo $?; [ ]; echo $?
[ ! a ]; echo $?
%%
touch f; mkdir d; echo x >g
[ -f f ] && [ -d d ] && [ -e d ] && [ -s g ] && ! [ -s f ] && [ -r f ] && [ -w f ] && echo ok; [ -x f ]; echo $?
%%
[ \( a = b \) -o c = c ]; echo $?; [ ! \( a = b \) ]; echo $?; [ -n "" ]; echo $?; [ "" = "" ]; echo $?
[ x -eq 1 ]; echo $?; [ a = ]; echo $?
%%
[ -z ]; echo $?; [ = = = ]; echo $?; [ ! = ! ]; echo $?; [ 5 -ge 5 ]; echo $?; [ -5 -lt 3 ]; echo $?
test -n x -a -z ""; echo $?
%%
cd /usr; pwd; cd /; cd - >/dev/null; pwd; cd ..; pwd; cd nonexistent; echo $?; echo $PWD $OLDPWD
cd /usr/./lib/..; pwd
%%
mkdir -p p/q; cd p/q; cd ..; ls; cd; pwd | sed "s,^$HOME\$,home,"; sh -c 'pwd' | sed "s,^$HOME\$,home,"
%%
echo $0 | grep -c .; echo $- | grep -c .; echo $$ | grep -c '^[0-9]*$'
%%
x=`ls /nonexistent 2>/dev/null` || echo failed; y=$(echo a; false) && echo no; echo $y
%%
echo "multi
line" | cat; echo 'a
b'
%%
time_is_no_keyword 2>/dev/null; echo $?; nosuch | cat; echo $?; cat /dev/null | nosuch; echo $?; nosuch & wait $!
echo $?
"""

ERRORS = r"""
if
%%
echo a; if true; then; fi
%%
echo a
%%
for x in a; do
%%
fi
%%
echo )
%%
(echo
%%
echo "abc
%%
case x in
%%
{ echo a
%%
echo ${x:?gone}; echo no
%%
echo ${x?}; echo no
%%
(echo ${x:?gone}) 2>/dev/null; echo $?
%%
while true; done
%%
echo ok && ;
%%
a b | ; c
%%
echo ${x!y}
%%
f( { :; }
%%
for 1x in a; do :; done
%%
x=1 f() { :; }; echo $?
%%
shift 5; echo no
%%
. /nonexistent; echo no
%%
break; continue; echo $?
%%
return 3; echo no
%%
cd a b 2>/dev/null; echo $?
%%
export 1a=2; echo no
%%
unset 1a; echo no
%%
set -Z; echo no
%%
echo a | ! cat
%%
eval 'if'; echo no
%%
(eval 'if') 2>/dev/null; echo $?
%%
x=$(eval ')') 2>/dev/null; echo $?
%%
exec nosuchprogram; echo no
%%
exec echo replaced; echo no
%%
(exec sh -c 'exit 4'); echo $?
%%
exec 2>/dev/null; echo x >/nonexistent/y; echo $?; : >/nonexistent/y; echo no
"""

GROUPS = (WORDS, GLOBS, CONTROL, STREAMS, ERRORS)
SCRIPTS = [script.strip("\n") + "\n" for group in GROUPS for script in group.split("\n%%\n")]
