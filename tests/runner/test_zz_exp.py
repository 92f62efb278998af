import time
def test_ok(submit):
    def work(ac):
        ac.output.value("x", ac.input+1)
        print("hello")
    s = submit(work, 1)
    for _ in range(5):
        t=time.time()
        r = s.run(0, _+1)
        print(r, time.time()-t)
    print(s.outcome(), s.log(), s.left())
    assert 0
