using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Local;

namespace DistOpt.Hosting.Studies;

/// <summary>
/// Takes commands to a study that runs in this process from other processes of the same user on this machine: a Unix domain socket in a folder of the user's
/// own, whose path stands in the study's directory. One request a connection, a line of JSON each way.
/// </summary>
public sealed class StudyControlServer : IAsyncDisposable
{
    /// <summary>Longest request, in characters.</summary>
    internal const int RequestMax = 1 << 20;

    /// <summary>Connections at a time.</summary>
    private const int ConnectionsMax = 16;

    private readonly StudyDirectory _directory;
    private readonly StudySpec _spec;
    private readonly StudyCommands _commands;
    private readonly string _folder;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stopped = new();
    private readonly Task _accepting;

    private StudyControlServer(StudyDirectory directory, StudySpec spec, StudyCommands commands)
    {
        (_directory, _spec, _commands) = (directory, spec, commands);
        // below the folder for temporary files: a study's own path may be longer than an address may be
        _folder = Directory.CreateTempSubdirectory("distopt-").FullName;
        string path = Path.Combine(_folder, "control");
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(ConnectionsMax);
        AtomicFile.Write(directory.ControlFile, Encoding.UTF8.GetBytes(path));
        _accepting = AcceptAsync();
    }

    /// <summary>Begins to listen. The directory exists and is this process's.</summary>
    public static StudyControlServer Start(StudyDirectory directory, StudySpec spec, StudyCommands commands)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return new StudyControlServer(directory, spec, commands);
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_directory.ControlFile);
        await _stopped.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
        _stopped.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                var connection = await _listener.AcceptAsync(_stopped.Token).ConfigureAwait(false);
                serving.RemoveAll(s => s.IsCompleted);
                if (serving.Count == ConnectionsMax) connection.Dispose();
                else serving.Add(ServeAsync(connection));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving).ConfigureAwait(false);
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        using var stream = new NetworkStream(connection, ownsSocket: true);
        try
        {
            using var reader = new StreamReader(stream, Encoding.UTF8);
            string? line = await reader.ReadLineAsync(_stopped.Token).ConfigureAwait(false);
            string answer = line is null or { Length: > RequestMax } ? Wrong(new SpecException("", "the request is no line of JSON"))
                : await AnswerAsync(line).ConfigureAwait(false);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(answer + "\n"), _stopped.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // the asker has gone, or the study ends: its command is stored or not, and a repeat has the same key
        }
    }

    private async Task<string> AnswerAsync(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            string? Field(string name) => json.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;
            string name = Field("command") ?? "";
            if (name == "show")
            {
                var status = await _commands.StatusAsync(_stopped.Token).ConfigureAwait(false);
                return RunJson.Text(false, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("name", _spec.Name);
                    writer.WriteString("kind", "study");
                    writer.WriteString("status", StudyStatusJson.State(status));
                    writer.WriteString("run", _directory.Path);
                    StudyStatusJson.WriteFields(writer, (status.Spec ?? _spec).Outline, status);
                    writer.WriteEndObject();
                });
            }
            if (!StudyRequest.Names.Contains(name)) throw new SpecException("", $"'{name}' is no command of a study; known are {string.Join(", ", StudyRequest.Names)}");
            var answer = await _commands.GiveAsync(new StudyRequest(name, Field("key"), Field("body") ?? "").ToCommand(), _stopped.Token).ConfigureAwait(false);
            return answer.Refusal is { } why ? Wrong(new SpecException("", why)) : "{}";
        }
        catch (SpecException e)
        {
            return Wrong(e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return Wrong(new SpecException("", "the request is no line of JSON"));
        }
    }

    private static string Wrong(SpecException error) => RunJson.Text(false, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("violations");
        foreach (var violation in error.Violations)
        {
            json.WriteStartObject();
            json.WriteString("path", violation.Path);
            json.WriteString("message", violation.Message);
            if (violation.Line is { } line) json.WriteNumber("line", line);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });
}
