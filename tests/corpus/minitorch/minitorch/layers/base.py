class Layer:
    training = True

    def __call__(self, *args):
        return self.forward(*args)

    def forward(self, x):
        raise NotImplementedError

    def backward(self, grad):
        raise NotImplementedError
