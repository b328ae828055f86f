"""More scripts, of the form of `scripts.py`: what runs beside other things, signals, and what POSIX has besides."""

from __future__ import annotations

PROCESSES = r"""
{ while :; do echo y; done; } | head -3
%%
yes | while read x; do echo "got $x"; break; done
%%
yes | { read a; read b; echo $a $b; }
%%
n=0; while :; do n=$((n+1)); echo $n; done | head -n 2; echo $n
%%
f() { while :; do echo "$1"; done; }; f word | head -n 2
%%
(while :; do echo sub; done) | head -n 2; echo $?
%%
while :; do echo y; done | while read x; do echo "$x"; break; done
%%
while :; do echo y; done | (read x; echo "$x") | cat
%%
seq 5 | while read n; do echo $((n*n)); done | { read a; read b; echo "$a+$b"; cat; }
%%
x=1; echo a | { read x; x=2; echo in $x; }; echo $x
%%
x=1; { x=3; echo $x; } | cat; (x=4; echo $x) | cat; echo $x
%%
f() { echo "$# $*"; return 3; }; set -- a b; f c | cat; f c d | while read l; do echo "<$l>"; done; echo $?
%%
readonly r=1; (r=2; echo no) 2>/dev/null | cat; { echo "$r"; } | cat
%%
set -f; { echo *; } | cat; set +f -u; { echo ${nothing-none}; } | cat
%%
x='a "b" $c `d` \e
second'; { echo "$x"; } | cat
%%
set -- "a b" '' 'c*'; { for i in "$@"; do echo "<$i>"; done; echo $#; } | cat
%%
export E=out; L=in; { sh -c 'echo $E $L'; echo $L; } | cat
%%
{ cd /; pwd; } | cat; cd /tmp; { pwd; } | cat
%%
{ exit 3; } | cat; echo $?; cat /dev/null | { exit 3; }; echo $?; ! cat /dev/null | { exit 3; }; echo $?
%%
false; { echo $?; } | cat; (exit 7); echo | { echo $?; }
%%
set -e; { false; echo no; } | cat; echo yes; echo | { false; echo no; }; echo never
%%
set -e; if { false; echo ran; } | cat; then echo then; fi
%%
f() { { return 5; echo no; } | cat; echo after; }; f; echo $?
%%
for i in 1 2 3; do echo $i | { read x; [ $x = 2 ] && exit 1; echo $x; }; done
%%
{ echo out; echo err >&2; } 2>&1 | sort
%%
exec 3>out; { echo three >&3; echo one; } | cat; exec 3>&-; cat out
%%
echo line >in; exec 4<in; echo | { read x <&4; echo $x; }
%%
{ cat; echo; cat <<B; } <<A | cat
from a
A
from b
B
%%
x=$(yes | head -n 1000 | while read l; do echo $l; done | wc -l); echo $x
%%
x=$({ echo a; echo b >&2; } 2>&1 | cat); echo $x
%%
x=$( { sh -c 'seq 3000; seq 3000 >&2'; } 2>&1 | wc -l); echo $x
%%
y=$( { x=$(sh -c 'seq 9000 >&2; seq 9000' 2>&3); echo "${#x}"; } 3>&1 ); echo ${#y}
%%
x=$(seq 3000); echo "$x" | tail -n 1; printf '%s\n' "$x" | { read l; echo $l; }
%%
echo a | cat | { cat; } | cat | while read x; do echo $x; done
%%
case a in a) echo in case;; esac | cat; if true; then echo if; fi | cat; for i in x y; do echo $i; done | sort -r
%%
eval 'echo evaluated' | cat; . /dev/null | cat; command echo c | cat; type cd | cat
%%
{ sleep 0.1; echo later; } & echo first; wait; echo $?
%%
(exit 4) & wait $!; echo $?; { x=1; exit 5; } & wait $!; echo $? $x
%%
x=before; f() { echo $x; }; { x=inner; f; } & x=after; wait; f
%%
while :; do :; done & kill $!; wait $! 2>/dev/null; echo $?
%%
(while :; do sleep 0.2; done) & sleep 0.1; kill -INT $!; kill -9 $!; wait $! 2>/dev/null; echo $?
%%
trap 'echo end' EXIT; { echo in; } | cat; echo out
%%
{ trap 'echo inner end' EXIT; echo in; } | cat; (trap 'echo sub end' EXIT; exit 3); echo $?
"""

SIGNALS = r"""
trap 'echo got TERM' TERM; kill -TERM $$; echo after
%%
trap 'echo got INT' INT; kill -INT $$; kill -2 $$; echo after
%%
trap 'echo $?; false' USR1; (exit 3); kill -USR1 $$; echo $?
%%
trap '' TERM; kill -TERM $$; echo still here; (kill -TERM $$; echo sub); echo end
%%
trap 'echo bye; exit 4' TERM; kill $$; echo no
%%
trap 'echo end' EXIT; trap 'echo term; exit 5' TERM; kill $$; echo no
%%
trap 'echo x' TERM; trap - TERM; trap
%%
trap 'echo "a b"' INT TERM EXIT; trap; trap - EXIT INT
%%
trap 'echo 1' HUP; trap "echo 'q'" USR2; trap
%%
trap 'echo sig' 15; trap 15; trap; echo $?
%%
trap 'n=$((n+1))' USR1; n=0; kill -USR1 $$; kill -USR1 $$; echo $n
%%
trap 'echo hit' USR1; while [ -z "$done" ]; do kill -USR1 $$; done=1; done; echo out
%%
trap 'break' USR1; while :; do kill -USR1 $$; done; echo out
%%
f() { trap 'echo in f' USR1; kill -USR1 $$; }; f; kill -USR1 $$
%%
trap 'echo got; x=1' TERM; (sleep 0.1; kill -TERM $$) & while [ -z "$x" ]; do :; done; echo $x
%%
trap 'echo got' TERM; (sleep 2; kill -TERM $$) & sleep 30 & wait $!; echo $?; kill $!
%%
trap 'echo woken' USR1; (sleep 0.1; kill -USR1 $$) & wait; echo waited
%%
trap '' INT; { kill -INT $$; echo alive; } | cat; sh -c 'echo child'
%%
trap 'echo outer' TERM; { trap; echo no traps; } | cat; (trap 'echo inner' TERM; :) ; kill $$
%%
sh -c 'kill -TERM $$; echo no'; echo $?
%%
sh -c 'trap "exit 3" INT; kill -INT $$; sleep 0.1'; echo $?
%%
kill -0 $$; echo $?; kill -0 999999 2>/dev/null; echo $?
%%
kill -s NOSUCH $$ 2>/dev/null; echo $(($? > 0)); kill 2>/dev/null; echo $(($? > 0))
%%
kill -l 15; kill -l 130; kill -l | grep -c TERM
%%
kill -TERM $$; echo no
"""

MORE = r"""
alias ll='echo listed'
ll a b
alias ll
unalias ll
ll 2>/dev/null; echo $?
%%
alias e=echo n='e nested'
n 1; e 2
alias; unalias -a; alias
%%
alias echo='echo very'
echo recursive
\echo plain; 'echo' quoted
%%
alias run='echo ' word=replaced
run word word
x=1 run word
%%
alias w='while read l'
printf 'a\nb\n' | w; do echo "<$l>"; done
%%
alias start='if true; then'
start echo works; fi
%%
alias a=b b=c c='echo chain'
a; alias nothing 2>/dev/null; echo $?; unalias nothing 2>/dev/null; echo $?
%%
alias p='echo one |'
p cat
alias x='echo $(echo sub)'
x; (x); { x; } | cat
%%
umask; umask 077; umask; umask -S; >f; ls -l f | cut -c 1-10; umask 022; >g; ls -l g | cut -c 1-10
%%
umask 027; (umask 0; umask); umask; mkdir d; ls -ld d | cut -c 1-10; { umask; } | cat; touch h; ls -l h | cut -c 1-10
%%
ulimit; ulimit -f; ulimit -t; ulimit -Hf; ulimit -f unlimited; echo $?; ulimit -Z 2>/dev/null; echo $?
type ulimit times
%%
ulimit -v 300000; ulimit -v; ulimit -Sv; sh -c 'ulimit -v; ulimit -Hv'; (ulimit -v 250000; ulimit -v); ulimit -v
%%
ulimit -v 300000; sh -c 'sh -c "ulimit -v"'; (ulimit -v 250000; sh -c 'ulimit -v'); x=$(ulimit -v 200000; ulimit -v)
echo $x; { ulimit -v; } | cat; ulimit -v 300001 2>/dev/null; echo $?; ulimit -v unlimited 2>/dev/null; echo $?
%%
ulimit -n 50; ulimit -n; sh -c 'ulimit -n'; ulimit -n 51 2>/dev/null; echo $?; ulimit -n 40; { ulimit -n; } | cat
%%
ulimit -v 12x 2>/dev/null; echo $?; ulimit -v 1 2 2>/dev/null; echo $?; ulimit -n -- 5x 2>/dev/null; echo $?
%%
times >/dev/null 2>&1; echo goes on
%%
echo x | cat $(seq 0); echo y | tee $(seq 2) | cat; cat 1 2; printf 'a\nb\nc\n' | { x=$(seq 2); cat; echo $x; }
%%
{ read x; true $(seq 1); sed -n 1p; } <<end
one
two
end
echo $x
%%
umask u=rwx,g=rx,o=; umask; umask g-x; umask -S; umask 9 2>/dev/null; echo $?
%%
printf 'a:b:c d\n' | { IFS=: read -r x y z; echo "$x|$y|$z"; }
%%
printf '%s\n' 'back\slash' 'con\' 'tinued' | { read a; read -r b; read c; echo "$a|$b|$c"; }
%%
printf '  lead  trail  \n' | { IFS= read -r x; echo "<$x>"; }
%%
printf 'one\ntwo' | while read x; do echo "$x"; done; echo "last: $x"
%%
while getopts ab:c o; do echo "$o ${OPTARG-none}"; done 2>/dev/null; echo $OPTIND
%%
f() { while getopts :ab: o "$@"; do echo "$o:$OPTARG"; done; shift $((OPTIND-1)); echo "$*"; }; f -a -b v -x -ab w r s
%%
command -v cd; command -v echo; command -v nosuch; echo $?; command -V cd
command echo hi; command nosuch 2>/dev/null; echo $?
%%
echo() { printf 'function\n'; }; command echo builtin; echo; unset -f echo; echo builtin
%%
x=/a/b.tar.gz; echo ${x%.*} ${x%%.*} ${x#*/} ${x##*/} ${x%/*} "${x%"gz"}" ${#x}
%%
echo $((1+2*3)) $(((1+2)*3)) $((7/2)) $((-7/2)) $((7%3)) $((1<<4)) $((5>3?1:2)) $((0x1f)) $((010)) $((!0)) $((~5))
%%
x=5; echo $((x+=2)) $((x)) $((x*x)) $((x==7&&1)) $((y=3)) $y; echo $((x > 3 ? x : 0))
%%
set -x; echo traced 2>/dev/null; set +x; set -u; (echo $unset) 2>/dev/null; echo $?
%%
cat <<A; cat <<-'B'; cat <<"C"
a $((1+1)) $(echo sub) \$x
A
	tab $x
	B
quoted $x
C
%%
set -- a b c d; shift 2; echo $*; shift; echo $#; set --; echo $#
%%
case abc in a?c) echo q;; esac; case x in [a-w]) echo no;; [!a-w]) echo yes;; esac; case "*" in \*) echo star;; esac
%%
printf '%f %.2f %e %g|%8.2f|%-8.1f|%08.3f\n' 1 2.345 3 0.0001 4 5 -6
%%
env A=1 sh -c 'echo $A'; env -i sh -c 'echo ${HOME-none}'; env nosuchprogram 2>/dev/null; echo $?
%%
seq 3 | xargs echo got; seq 4 | xargs -n 2 echo; echo 'a b' | xargs -I X echo '<X>'
%%
mkdir d; echo 1 >d/a; echo 2 >d/b; find d -type f -exec cat {} \; | sort
find d -name a -exec sh -c 'echo "$1:$2"' n {} x \;
%%
printf 'a\nb\n' | sed 's/a/A/;$d' | sed -n '1p'; seq 10 | sed -n '/3/,/5/p' | sed '1!G;h;$!d'
%%
seq 3 >f; tail -f f | { head -n 3; echo done; }
%%
seq 3 >f; { sleep 0.2; echo more >>f; sleep 0.3; echo end >>f; } &
tail -f -n 1 f | while read l; do echo $l; [ $l = end ] && break; done
%%
sh -c 'while :; do echo x >> n; sleep 0.02; done' & p=$!
until [ -s n ]; do sleep 0.02; done; kill -STOP $p; sleep 0.1; a=$(wc -l < n)
sleep 0.2; [ $(wc -l < n) = $a ] && echo stopped; kill -CONT $p
until [ $(wc -l < n) -gt $a ]; do sleep 0.02; done; echo goes
kill -s TSTP $p; kill -s CONT $p; kill $p; wait $p; echo $?
%%
sleep 5 & kill -STOP $!; kill -KILL $!; wait $!; echo $?
"""

PROCESS_SCRIPTS = [
    script.strip("\n") + "\n" for group in (PROCESSES, SIGNALS, MORE) for script in group.split("\n%%\n")
]
