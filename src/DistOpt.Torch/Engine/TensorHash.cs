using System.Globalization;
using System.Security.Cryptography;
using System.Text;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>SHA-256 (lower-case hex) over types, shapes and bytes of tensors.</summary>
internal static class TensorHash
{
    public static string Of(Tensor tensor)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, tensor);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public static void Append(IncrementalHash hash, Tensor tensor)
    {
        string kind = string.Create(CultureInfo.InvariantCulture, $"{tensor.dtype}[{string.Join(',', tensor.shape)}]");
        hash.AppendData(Encoding.UTF8.GetBytes(kind));
        var bytes = new byte[tensor.numel() * tensor.element_size()];
        FlatModule.CopyOut(tensor, bytes);
        hash.AppendData(bytes);
    }
}
