using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Hosting.Studies;

/// <summary>Talks to the process that runs a study on this machine; see <see cref="StudyControlServer"/>.</summary>
public static class StudyControlClient
{
    /// <summary>Gives a command to a study; returns once it is stored.</summary>
    /// <param name="body">What goes with it, as JSON; may be empty.</param>
    /// <param name="hadBefore">Asked where no process runs the study: whether it had the command before that ended. Null = it had not.</param>
    /// <exception cref="SpecException">No process runs the study, or it refuses the command.</exception>
    public static async Task CommandAsync(StudyDirectory study, string command, string key, string body, CancellationToken cancellationToken,
        Func<bool>? hadBefore = null)
    {
        using var answer = await AskAsync(study, command, key, body, cancellationToken).ConfigureAwait(false);
        if (answer is null && hadBefore?.Invoke() is not true) throw Nobody(study);
    }

    /// <summary>Where the study stands, as the HTTP API of a cluster tells it.</summary>
    /// <exception cref="SpecException">No process runs the study.</exception>
    public static async Task<JsonDocument> ShowAsync(StudyDirectory study, CancellationToken cancellationToken) =>
        await FindAsync(study, cancellationToken).ConfigureAwait(false) ?? throw Nobody(study);

    /// <summary>Where the study stands; null where no process runs it, whatever one that was killed has left behind.</summary>
    public static Task<JsonDocument?> FindAsync(StudyDirectory study, CancellationToken cancellationToken) => AskAsync(study, "show", "", "", cancellationToken);

    private static SpecException Nobody(StudyDirectory study) =>
        new("", Ended(study) ?? $"no process of yours on this machine runs the study '{study.Path}'; 'distopt sweep --resume {study.Path}' goes on with it");

    /// <summary>That it has ended, how, and how it goes on after all where it does; null = it has not, or nothing says so.</summary>
    private static string? Ended(StudyDirectory study)
    {
        if (study.ReadEnd() is not { } end) return null;
        string ended = $"the study '{study.Path}' has ended ({RunJson.Name(end)}) and takes no more commands";
        return end switch
        {
            StudyStopReason.Trials => $"{ended}; 'distopt sweep --resume {study.Path} --trials N' gives it more trials, N in all",
            StudyStopReason.Failures => $"{ended}; once what its trials failed by is mended, 'distopt sweep --resume {study.Path}' goes on with it",
            _ => ended,
        };
    }

    private static async Task<JsonDocument?> AskAsync(StudyDirectory study, string command, string key, string body, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(study);
        string request = RunJson.Text(false, json =>
        {
            json.WriteStartObject();
            json.WriteString("command", command);
            json.WriteString("key", key);
            json.WriteString("body", body);
            json.WriteEndObject();
        });
        string? line = null;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            string path = await File.ReadAllTextAsync(study.ControlFile, cancellationToken).ConfigureAwait(false);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            using var stream = new NetworkStream(socket);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(request + "\n"), cancellationToken).ConfigureAwait(false);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            line = await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or ArgumentException)
        {
            // none is there, or it has just ended
        }
        if (line is null) return null;
        var answer = JsonDocument.Parse(line);
        if (!answer.RootElement.TryGetProperty("violations", out var violations)) return answer;
        using (answer)
        {
            throw new SpecException([.. violations.EnumerateArray()
                .Select(v => new SpecViolation(v.GetProperty("path").GetString()!, v.GetProperty("message").GetString()!,
                    v.TryGetProperty("line", out var line) ? line.GetInt32() : null))]);
        }
    }
}
