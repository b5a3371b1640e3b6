import numpy as np


class BatchNormalizationLayer:
    def __init__(self, number_of_features, learning_rate=0.01, epsilon=1e-5):
        self.scale_parameter = np.ones(number_of_features)
        self.shift_parameter = np.zeros(number_of_features)
        self.learning_rate = learning_rate
        self.epsilon = epsilon

    def forward_propagate(self, input_batch):
        self.batch_mean = np.mean(input_batch, axis=0)
        self.batch_variance = np.var(input_batch, axis=0)
        self.normalized_batch = (input_batch - self.batch_mean) / np.sqrt(self.batch_variance + self.epsilon)
        return self.scale_parameter * self.normalized_batch + self.shift_parameter

    def backward_propagate(self, output_gradient):
        count = len(output_gradient)
        self.scale_gradient = np.sum(output_gradient * self.normalized_batch, axis=0)
        self.shift_gradient = np.sum(output_gradient, axis=0)
        g = output_gradient * self.scale_parameter
        deviation = np.sqrt(self.batch_variance + self.epsilon)
        return (g - g.sum(axis=0) / count - self.normalized_batch * (g * self.normalized_batch).sum(axis=0) / count) / deviation
