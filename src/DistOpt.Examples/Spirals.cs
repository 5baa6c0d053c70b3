using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Randomness;
using DistOpt.Torch;
using static TorchSharp.torch;

namespace DistOpt.Examples;

public sealed record SpiralOptions { [Range(0.0, 1.0)] public double Noise { get; init; } = 0.1; } // data.noise in a spec
public sealed record SpiralNetOptions { [Range(1, 4096)] public int Width { get; init; } = 32; }   // model.width in a spec

public sealed class SpiralNet : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> layers;
    public SpiralNet(int width, int classes) : base(nameof(SpiralNet))
    {
        layers = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes));
        RegisterComponents();
    }
    public override Tensor forward(Tensor points) => layers.forward(points);
}

public sealed class Spirals(SpiralOptions options) : Dataset<SupervisedBatch>
{
    public override long Count => 2000;
    public override DataInfo Info => DataInfo.Classification("spirals", inputShape: [2], classes: ["red", "green", "blue"]);
    public override SupervisedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        var (points, arms) = (new float[indices.Length, 2], new long[indices.Length]);
        for (int row = 0; row < indices.Length; row++)
        {
            var random = new CounterRandom(0, RandomPurpose.Data, indices[row]); // a point depends on its index alone
            var (radius, arm) = (random.NextDouble(), arms[row] = indices[row] % 3);
            var (y, x) = Math.SinCos(6 * radius + Math.Tau / 3 * arm + options.Noise * random.NextGaussian());
            (points[row, 0], points[row, 1]) = ((float)(radius * x), (float)(radius * y));
        }
        return new SupervisedBatch(tensor(points), tensor(arms));
    }
}
