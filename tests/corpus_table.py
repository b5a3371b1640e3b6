"""What each file of the corpus has in it, and the mistakes that are planted in the right ones."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
RIGHT, EMPTY, UNCLEAR = "right", "not written yet", "could not be judged"
PARTLY = "right, as far as it is written"

# What each file has, in the order of the report: one conclusion for each implementation.
FILES = {
    "course_skeleton.py": [RIGHT, PARTLY, EMPTY, EMPTY],
    "course_complete.py": [RIGHT] * 5,
    "forward_only.py": [PARTLY],
    "wrong_ignores_gamma.py": ["wrong: dx"],
    "wrong_only_scales_back.py": ["wrong: dx"],
    "wrong_updates_before_use.py": ["wrong: dx"],
    "wrong_test_mode.py": ["wrong: running statistics, test mode"],
    "scale_and_shift_called_bn.py": ["wrong: forward"],
    "needs_a_config.py": [UNCLEAR],
    "linked_layers.py": [UNCLEAR],
    "minitorch/minitorch/layers/batchnorm.py": [RIGHT],
    "project/ch06/batch_norm.py": [RIGHT],
    "scripts/train_with_bn.py": [RIGHT],
}
# Fifteen that were written when the conventions had been built, without a look at these.
FILES |= {
    f"second/{path.name}": [RIGHT] for path in sorted((CORPUS / "second").iterdir())
}
FILES |= {
    "second/autograd_function.py": [UNCLEAR],
    "second/global_state.py": ["wrong: its own cache"],
    "second/wrong_stale_class.py": ["wrong: its own cache"],
    "second/wrong_inner_class_sum.py": ["wrong: shapes and dtypes"],
}
HELPERS = {"affine_only.py", "uses_a_framework.py"}  # in which there is nothing to judge
FILES |= {
    path.name: [RIGHT]
    for path in sorted(CORPUS.iterdir())
    if path.suffix in (".py", ".ipynb") and path.name not in {*FILES, *HELPERS}
}

# A mistake planted in a right file: the text, what replaces it, and what is then wrong.
PLANTED = [
    ("second/tape_network.py", "dnorm = dvalues * self.weights", "dnorm = dvalues", "dx"),
    ("second/sigma_names.py", "dgamma = np.sum(dA * A_norm", "dgamma = np.mean(dA * A_norm", "dgamma, dx"),
    ("second/abstract_base.py", "g.mean(axis=0)", "g.sum(axis=0)", "dx"),
    ("second/update_method.py", "self.ivar**3", "self.ivar**2", "dx"),
    ("second/params_argument.py", '"offset": dout.sum(0)', '"offset": dout.mean(0)', "dbeta"),
    ("second/transposed_layer.py", "dZn = dZt * self.gamma", "dZn = dZt", "dx"),
    ("second/layer_norm_functions.py", "istd**3", "istd", "dx"),
    ("second/rms_norm_class.py", "np.sum(grad * n", "np.mean(grad * n", "dgamma"),
    ("second/verbose_names.py", "np.var(input_batch, axis=0)", "np.var(input_batch, axis=0, ddof=1)", "forward"),
    ("four_results.py", "(dmu / N)", "dmu", "dx"),
    ("four_results.py", "std_inv**3", "std_inv", "dx"),
    ("running_in_cache.py", "dgamma = np.sum(dout * X_norm", "dgamma = np.mean(dout * X_norm", "dgamma"),
    ("running_in_cache.py", "** (-3 / 2)", "** (-1 / 2)", "dx"),
    ("running_arguments.py", "* (m * dy - dbeta", "* (dy - dbeta", "dx"),
    ("running_arguments.py", "+ (1 - momentum) * batch_var", "+ momentum * batch_var", "running statistics"),
    ("running_in_place.py", "(dy * xn).sum(0), dy.sum(0)", "(dxn * xn).sum(0), dy.sum(0)", "dgamma"),
    ("separate_results.py", " - x_hat * dgamma)", ")", "dx"),
    ("separate_results.py", "np.sqrt(var + eps)", "np.sqrt(var) + eps", "forward"),
    ("statistics_to_backward.py", "/ s**3", "/ s**2", "dx"),
    ("dictionaries.py", '"beta": np.sum(dout, axis=0)', '"beta": np.mean(dout, axis=0)', "dbeta"),
    ("dictionaries.py", "dxhat = dout * gamma", "dxhat = dout", "dx"),
    ("none_at_first.py", "mean, var = r_mean, r_var", "mean, var = x.mean(0), x.var(0)", "test mode"),
    ("columns.py", "dgamma = np.sum(dZ_tilde * Z_norm", "dgamma = np.sum(dZ_tilde * (Z_norm + 1)", "dgamma"),
    ("columns.py", "- np.sum(dZ_norm, axis=1, keepdims=True)", "+ np.sum(dZ_norm, axis=1, keepdims=True)", "dx"),
    ("channels_last.py", "dout.size / dout.shape[-1]", "dout.shape[0]", "dx"),
    ("closure.py", "dgamma = (dy * xhat)", "dgamma = (dy * xc)", "dgamma, dx"),
    ("keyword_only.py", "dy.sum(0)\n", "dy.mean(0)\n", "dbeta"),
    ("camel_case.py", "dBeta / n -", "dBeta -", "dx"),
    ("everything_returned.py", "dxmu2 = 2 * xmu", "dxmu2 = xmu", "dx"),
    ("everything_returned.py", "-1.0 / (sqrtvar**2)", "1.0 / (sqrtvar**2)", "dx"),
    ("gradients_first.py", "dscale = np.sum(grad * z", "dscale = np.sum(grad * scale * z", "dgamma"),
    ("loops.py", "dbeta[j] += dout[i, j]", "dbeta[j] = dout[i, j]", "dbeta, dx"),
    ("mode_argument.py", "(x - running_mean)", "(x + running_mean)", "test mode"),
    ("whole_pass_in_one_file.py", "-1 / np.sqrt", "1 / np.sqrt", "dx"),
    ("book_layer.py", "dvar = 0.5 * dstd / self.std", "dvar = 0.5 * dstd", "dx"),
    ("book_layer.py", "dx = dxc - dmu / self.batch_size", "dx = dxc", "dx"),
    ("num_features.py", "self.grad_beta = np.sum(", "self.grad_beta = np.mean(", "dbeta"),
    ("num_features.py", "dx_hat = grad_output * self.gamma", "dx_hat = grad_output", "dx"),
    ("params_and_grads_dicts.py", "np.mean(g, axis=0)", "0 * np.mean(g, axis=0)", "dx"),
    ("params_and_grads_lists.py", "self.grads[1][...] = dbeta", "self.grads[1][...] = dbeta / 2", "dbeta"),
    ("homework_with_eval_flag.py", "** -1.5", "** -0.5", "dx"),
    ("homework_with_eval_flag.py", "(Z - self.running_M)", "(Z - self.M)", "test mode"),
    ("parameter_objects.py", "(d * self.xhat).mean(axis=0)) /", "(d * self.xhat).sum(axis=0)) /", "dx"),
    ("optimizer_inside.py", "grad_beta = np.sum(accum_grad,", "grad_beta = -np.sum(accum_grad,", "dbeta"),
    ("optimizer_inside.py", "self.stddev_inv**2", "self.stddev_inv", "dx"),
    ("learning_rate_in_backward.py", "dbeta = np.sum(dy,", "dbeta = np.mean(dy,", "dbeta"),
    ("mode_string.py", "- xhat * self.dscale / N", "- xhat * self.dscale", "dx"),
    ("returns_tuple.py", "dmu = -np.sum", "dmu = np.sum", "dx"),
    ("cache_methods.py", '{"gamma": dgamma, "beta": dbeta}', '{"gamma": dbeta, "beta": dgamma}', "dbeta, dgamma"),
    ("lazy_parameters.py", "/ N * (N * dout", "* (N * dout", "dx"),
    ("build_method.py", "self.z = (inputs - mean) / self.std", "self.z = inputs / self.std", "forward"),
    ("images_keepdims.py", "m = dout.shape[0] * dout.shape[2] * dout.shape[3]", "m = dout.shape[0]", "dx"),
    ("images_flat.py", "gx = g * self.w\n", "gx = g\n", "dx"),
    ("static_methods.py", "np.sqrt(var + eps) * (dout", "(var + eps) * (dout", "dx"),
    ("gamma_in_forward.py", "- dout.mean(axis=0)", "", "dx"),
    ("predict_method.py", "(n * self.s)", "self.s", "dx"),
    ("stored_variance_has_eps.py", "self.gamma / np.sqrt(self.var)", "self.gamma / self.var", "dx"),
    ("layer_with_name.py", "- dxhat.sum(0) / N", "", "dx"),
    ("dataclass_layer.py", "(dy * self.xhat).sum(0)", "(dy + self.xhat).sum(0)", "dgamma, dx"),
    ("mode_attribute.py", "0.9 * self.run_var + 0.1 * self.var", "0.9 * self.run_var + 0.9 * self.var",
     "running statistics"),
    ("layer_norm_class.py", "d.mean(-1, keepdims=True)", "d.mean(0, keepdims=True)", "dx"),
    ("layer_norm_class.py", "axis=-1, keepdims=True)\n        self", "axis=0, keepdims=True)\n        self", "forward"),
    ("rms_norm.py", "(d * xhat).mean", "(d * xhat).sum", "dx"),
    ("group_norm_class.py", "(dy * self.xhat).sum(axis=(0, 2, 3))", "self.xhat.sum(axis=(0, 2, 3))", "dgamma"),
    ("course_complete.py", "dx.reshape(N, C, H, W), dgamma, dbeta", "2 * dx.reshape(N, C, H, W), dgamma, dbeta", "dx"),
    ("notebook.ipynb", "- x_hat * dgamma / len(dout))", "- x_hat * dgamma)", "dx"),
    ("notebook_class.ipynb", "dx_hat = dout * self.gamma", "dx_hat = dout", "dx"),
    ("minitorch/minitorch/layers/batchnorm.py", "self.beta.grad = grad.sum(axis=0)",
     "self.beta.grad = grad.mean(axis=0)", "dbeta, dx"),
    ("project/common/functions.py", "np.sqrt(x.var(axis=0) + eps)", "x.var(axis=0) + eps", "forward"),
    ("scripts/helpers.py", "np.sum(a", "np.mean(a", "dbeta, dgamma, dx"),
]  # fmt: skip
JUDGED = {"project/common/functions.py": "project/ch06/batch_norm.py",
          "scripts/helpers.py": "scripts/train_with_bn.py"}  # fmt: skip
