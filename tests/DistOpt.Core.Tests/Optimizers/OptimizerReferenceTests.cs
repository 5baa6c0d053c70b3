using DistOpt.Core.Optimizers;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>300 steps against the textbook update in float64, written one element at a time from the papers.</summary>
public sealed class OptimizerReferenceTests
{
    private const int Length = 203;

    [Theory]
    [InlineData(0.0, 0.0, false, 0.0)]
    [InlineData(0.0, 0.0, false, 0.1)]
    [InlineData(0.9, 0.0, false, 0.0)]
    [InlineData(0.9, 0.0, true, 0.0)]
    [InlineData(0.9, 0.5, false, 0.0)]
    [InlineData(0.8, 0.25, false, 0.05)]
    [InlineData(0.9, 0.0, true, 0.05)]
    public void Sgd(double momentum, double dampening, bool nesterov, double weightDecay)
    {
        var options = new SgdOptions { Momentum = momentum, Dampening = dampening, Nesterov = nesterov, WeightDecay = weightDecay };
        var buffer = new double[Length];
        Compare(new Sgd(options), (t, i, rate, p, g) =>
        {
            g += weightDecay * p;
            buffer[i] = t == 1 ? g : momentum * buffer[i] + (1 - dampening) * g;
            if (momentum == 0) return p - rate * g;
            return p - rate * (nesterov ? g + momentum * buffer[i] : buffer[i]);
        });
    }

    /// <summary>By the catalogue's own factories: torch.optim.SGD with nesterov or without, dampening 0; gd has no momentum.</summary>
    [Theory]
    [InlineData("gd", 0.0, 0.0)]
    [InlineData("gd", 0.0, 0.1)]
    [InlineData("momentum", 0.9, 0.0)]
    [InlineData("momentum", 0.8, 0.05)]
    [InlineData("nesterov", 0.9, 0.0)]
    [InlineData("nesterov", 0.8, 0.05)]
    public void Presets_of_sgd(string name, double momentum, double weightDecay)
    {
        object options = name == "gd" ? new GdOptions { WeightDecay = weightDecay } : new MomentumOptions { Momentum = momentum, WeightDecay = weightDecay };
        var buffer = new double[Length];
        Compare(OptimizerCatalog.Default.Get(name)(options), (t, i, rate, p, g) =>
        {
            g += weightDecay * p;
            if (name == "gd") return p - rate * g;
            buffer[i] = momentum * buffer[i] + g;
            return p - rate * (name == "nesterov" ? g + momentum * buffer[i] : buffer[i]);
        });
    }

    [Theory]
    [InlineData(0.9, 0.999, 1e-8, 0.0)]
    [InlineData(0.9, 0.999, 1e-8, 0.1)]
    [InlineData(0.5, 0.9, 1e-3, 0.0)]
    [InlineData(0.0, 0.99, 1e-8, 0.0)]
    public void Adam(double beta1, double beta2, double epsilon, double weightDecay)
    {
        var options = new AdamOptions { Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon, WeightDecay = weightDecay };
        var moments = new ReferenceMoments(beta1, beta2, epsilon);
        Compare(new Adam(options), (t, i, rate, p, g) => p - rate * moments.Direction(t, i, g + weightDecay * p));
    }

    [Theory]
    [InlineData(0.9, 0.999, 1e-8, 0.01, false)]
    [InlineData(0.9, 0.999, 1e-8, 0.5, false)]
    [InlineData(0.8, 0.9, 1e-4, 0.0, false)]
    [InlineData(0.9, 0.9, 1e-8, 0.1, true)]
    [InlineData(0.8, 0.99, 1e-4, 0.0, true)]
    public void AdamW(double beta1, double beta2, double epsilon, double weightDecay, bool amsgrad)
    {
        var options = new AdamWOptions { Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon, WeightDecay = weightDecay, Amsgrad = amsgrad };
        var moments = new ReferenceMoments(beta1, beta2, epsilon, amsgrad);
        Compare(OptimizerCatalog.Default.Get("adamw")(options), (t, i, rate, p, g) => p * (1 - rate * weightDecay) - rate * moments.Direction(t, i, g));
    }

    [Theory]
    [InlineData(4e-3, 0.0, false)]
    [InlineData(4e-3, 0.1, false)]
    [InlineData(4e-3, 0.1, true)]
    [InlineData(0.1, 0.0, false)]
    public void NAdam(double momentumDecay, double weightDecay, bool decoupled)
    {
        double[] m = new double[Length], v = new double[Length];
        var options = new NAdamOptions { MomentumDecay = momentumDecay, WeightDecay = weightDecay, DecoupledWeightDecay = decoupled };
        double Mu(int t) => 0.9 * (1 - 0.5 * Math.Pow(0.96, t * momentumDecay));
        double[] products = new double[302];
        products[0] = 1;
        for (int t = 1; t < products.Length; t++) products[t] = products[t - 1] * Mu(t);
        Compare(OptimizerCatalog.Default.Get("nadam")(options), (t, i, rate, p, g) =>
        {
            if (decoupled) p -= rate * weightDecay * p;
            else g += weightDecay * p;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            double ahead = (1 - Mu(t)) * g / (1 - products[t]) + Mu(t + 1) * m[i] / (1 - products[t + 1]);
            return p - rate * ahead / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
        });
    }

    [Theory]
    [InlineData(0.999, 0.0, false)]
    [InlineData(0.9, 0.1, false)]
    [InlineData(0.99, 0.1, true)]
    public void RAdam(double beta2, double weightDecay, bool decoupled)
    {
        double[] m = new double[Length], v = new double[Length];
        Compare(new RAdam(new RAdamOptions { Beta2 = beta2, WeightDecay = weightDecay, DecoupledWeightDecay = decoupled }), (t, i, rate, p, g) =>
        {
            if (decoupled) p -= rate * weightDecay * p;
            else g += weightDecay * p;
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = beta2 * v[i] + (1 - beta2) * g * g;
            double most = 2 / (1 - beta2) - 1, now = most - 2 * t * Math.Pow(beta2, t) / (1 - Math.Pow(beta2, t)), mean = m[i] / (1 - Math.Pow(0.9, t));
            if (now <= 5) return p - rate * mean;
            double rectified = Math.Sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now));
            return p - rate * rectified * mean * Math.Sqrt(1 - Math.Pow(beta2, t)) / (Math.Sqrt(v[i]) + 1e-8);
        });
    }

    private static void Compare(IOptimizer optimizer, Func<int, int, double, double, double, double> update)
    {
        var run = new OptimizerRun(optimizer, Length);
        double[] reference = [.. run.Parameters.Select(p => (double)p)];
        for (int t = 1; t <= 300; t++)
        {
            run.Step(t);
            double rate = OptimizerRun.RateAt(t);
            for (int i = 0; i < Length; i++) reference[i] = update(t, i, rate, reference[i], OptimizerRun.GradientAt(t, i));
        }
        // half an ulp of the largest value a step, adding up like a random walk, eightfold
        double moved = 0;
        for (int i = 0; i < Length; i++)
        {
            double scale = Math.Max(Math.Abs(reference[i]), 4);
            Assert.Equal(reference[i], run.Parameters[i], 8 * Math.Sqrt(300) * scale * Math.ScaleB(1, -24));
            moved = Math.Max(moved, Math.Abs(reference[i] - new OptimizerRun(optimizer, Length).Parameters[i]));
        }
        Assert.True(moved > 0.1, "the steps must move the parameters far more than the tolerance");
    }

    private sealed class ReferenceMoments(double beta1, double beta2, double epsilon, bool amsgrad = false)
    {
        private readonly double[] _m = new double[Length];
        private readonly double[] _v = new double[Length];
        private readonly double[] _most = new double[Length];

        public double Direction(int t, int i, double g)
        {
            _m[i] = beta1 * _m[i] + (1 - beta1) * g;
            _v[i] = beta2 * _v[i] + (1 - beta2) * g * g;
            _most[i] = Math.Max(_most[i], _v[i]);
            double square = amsgrad ? _most[i] : _v[i];
            return _m[i] / (1 - Math.Pow(beta1, t)) / (Math.Sqrt(square / (1 - Math.Pow(beta2, t))) + epsilon);
        }
    }
}
