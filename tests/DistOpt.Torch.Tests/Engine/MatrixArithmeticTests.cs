using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using DistOpt.Core.Parameters;
using DistOpt.Torch.Engine;
using TorchSharp;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

internal static class LoadFirst
{
    /// <summary>Other tests of this assembly multiply without DistOpt, which would be too early.</summary>
    [ModuleInitializer]
    internal static void Run() => RuntimeHelpers.RunModuleConstructor(typeof(TorchCatalog).Module.ModuleHandle);
}

[Collection(EngineCollection.Name)]
public class MatrixArithmeticTests
{
    [Fact]
    public void Products_are_found_independent_of_alignment() => Assert.True(MatrixArithmetic.IsIndependentOfAlignment);

    [Theory]
    [InlineData(15, 6, 4)]
    [InlineData(16, 6, 16)]
    [InlineData(21, 784, 10)]
    [InlineData(64, 256, 10)]
    [InlineData(1, 33, 7)]
    [InlineData(3, 100, 1)]
    public void Layers_forward_and_backward_have_the_same_bits_at_every_alignment(int rows, int inner, int columns)
    {
        set_num_threads(1);
        var seen = new HashSet<string>();
        for (int offset = 0; offset < 16; offset++)
        {
            using var scope = NewDisposeScope();
            var x = At(offset, rows, inner);
            var w = At(offset * 5 % 16, columns, inner).requires_grad_();
            var b = At(offset * 3 % 16, columns).requires_grad_();
            w.grad = At(offset * 7 % 16, columns, inner);
            x.requires_grad = true;
            var y = nn.functional.linear(x, w, b);
            y.tanh().square().sum().backward();
            seen.Add(Hash(y) + Hash(w.grad!) + Hash(b.grad!) + Hash(x.grad!));
        }
        Assert.Single(seen);
    }

    [Theory]
    [InlineData(8, 1, 28, 6, 5)]
    [InlineData(3, 6, 12, 16, 5)]
    [InlineData(1, 3, 9, 4, 3)]
    public void Convolutions_have_the_same_bits_at_every_alignment(int rows, int channels, int size, int outputs, int kernel)
    {
        set_num_threads(1);
        var seen = new HashSet<string>();
        for (int offset = 0; offset < 16; offset++)
        {
            using var scope = NewDisposeScope();
            var x = At(offset, rows, channels, size, size).requires_grad_();
            var w = At(offset * 5 % 16, outputs, channels, kernel, kernel).requires_grad_();
            w.grad = At(offset * 7 % 16, outputs, channels, kernel, kernel);
            var y = nn.functional.conv2d(x, w);
            nn.functional.max_pool2d(y.relu(), 2).square().sum().backward();
            seen.Add(Hash(y) + Hash(w.grad!) + Hash(x.grad!));
        }
        Assert.Single(seen);
    }

    /// <summary>The same values each time, at another place within a cache line.</summary>
    private static Tensor At(int offset, params long[] shape)
    {
        int length = (int)shape.Aggregate(1L, (a, b) => a * b);
        var buffer = new FlatBuffer(length + 16);
        for (int i = 0; i < length; i++) buffer.Span[offset + i] = 1f / (3 + i * 7 % 101) - 0.1f;
        return frombuffer(buffer.Storage, ScalarType.Float32).narrow(0, buffer.Offset + offset, length).view(shape).detach();
    }

    private static string Hash(Tensor tensor) => Convert.ToHexString(SHA256.HashData(tensor.contiguous().bytes));
}
