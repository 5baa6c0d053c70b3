using DistOpt.Actors.Tensors;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tensors;

internal static partial class TensorChannelLog
{
    [LoggerMessage(1, LogLevel.Information, "tensor channel of {Node} listens on {Host}:{Port}")]
    public static partial void Listening(this ILogger logger, string node, string host, int port);

    [LoggerMessage(2, LogLevel.Information, "tensor connection to {Node} at {Remote}, congestion control {CongestionControl}")]
    public static partial void Connected(this ILogger logger, string node, string remote, string congestionControl);

    [LoggerMessage(3, LogLevel.Information, "tensor connection to {Node} lost ({Error}), next attempt in {Milliseconds} ms, {Waiting} frames wait")]
    public static partial void Lost(this ILogger logger, string node, string error, long milliseconds, int waiting);

    [LoggerMessage(4, LogLevel.Warning, "tensor connection from {Remote} closed, {Reason}: {Error}")]
    public static partial void Rejected(this ILogger logger, string remote, TensorRejection reason, string error);

    [LoggerMessage(5, LogLevel.Error, "a receiver of tensors failed in {Method} of {Header}")]
    public static partial void ReceiverFailed(this ILogger logger, Exception error, string method, TensorHeader header);

    [LoggerMessage(6, LogLevel.Error, "a receiver of tensors gave {Length} elements for {Header}; the frame is thrown away")]
    public static partial void WrongLength(this ILogger logger, int length, TensorHeader header);

    [LoggerMessage(7, LogLevel.Error, "the tensor channel stopped accepting connections")]
    public static partial void AcceptFailed(this ILogger logger, Exception error);

    [LoggerMessage(8, LogLevel.Error, "a tensor connection ended by a fault of this node")]
    public static partial void Fault(this ILogger logger, Exception error);

    [LoggerMessage(9, LogLevel.Warning, "no tensor connection to {Node}: {Error}; next attempt in {Milliseconds} ms, {Waiting} frames wait")]
    public static partial void Refused(this ILogger logger, string node, string error, long milliseconds, int waiting);
}
