from __future__ import annotations
from typing import Any
from cloudos.lang import current_address_space, U64
from tests.sim.world import KERNEL, board, kernel_module, machine, report, user
from tests.sim.inventory import PROCESSOR, STATES, THREAD
from tests.sim.records import Memory, Shape
from tests.simulation.image import SystemImage
from tests.simulation.memory import map_user_half, private_memory
from tests.simulation.modules import Modules
from tests.simulation.threads import Process, Thread, UserZone, program_body
from greenlet import getcurrent

class Pool:
    def __init__(self, image):
        self.image = image
        self.free = {}
    def take(self, number):
        free = self.free.setdefault(number, [])
        if free:
            process = free.pop()
            process.modules.reset()
            process.__init__(process.modules)
            return process
        space = current_address_space()
        before = space.place_from(UserZone.next)
        try:
            return Process(Modules(self.image.programs[number]))
        finally:
            UserZone.next = space.place_from(before)
    def give_back(self, number, process):
        self.free[number].append(process)

CURRENT = []
def enter(instruction):
    cur = getcurrent()
    return cur.parent.switch(instruction)

def make(image, **options):
    pool = Pool(image)
    def function(number):
        def code(address, length):
            process = pool.take(number)
            main = process.modules[image.programs[number]].main
            thread = Thread(process, program_body(process.modules, main, address, length), lambda p: pool.give_back(number, p))
            return thread.code()
        return code
    functions = [function(n) for n in range(len(image.programs))]
    simulation = machine.Simulation(KERNEL, functions, image.content, memory=image.memory, **options)
    def prepare(b):
        b.private_memory = private_memory
    simulation.prepare(prepare)
    return simulation
if __name__ == "__main__":
    import time
    t=time.time()
    image = SystemImage()
    map_user_half(enter)
    machine.PATIENCE=10**9
    s = make(image, pace=(20, 2000, 0.0))
    print("image", time.time()-t)
    try:
        with s.switched_on():
            s.boot()
            t=time.time()
            while s.board.clock < 10**17:
                s.step()
    except board.Stuck as e:
        print("stuck", e)
    finally:
        print(s.entries, s.instructions, time.time()-t)
        print(s.board.log.decode()[-3000:])
