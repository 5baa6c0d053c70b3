using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;
using DistOpt.Protocol.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Journal;

/// <summary>
/// The journal of a <see cref="FunctionStudy"/> in a SQLite file of its own, with the tables and events of other studies: write-ahead log, and a commit is
/// flushed to the disk before anything of it counts as stored. What comes while one is under way goes into the next one together. One process at a time
/// has the file (a lock beside it, and an epoch in it that every write is compared with). Thread-safe.
/// </summary>
public sealed class StudyJournal : IStudyJournal, IDisposable
{
    /// <summary>So much may wait to be stored before <see cref="IStudyJournal.RoomAsync"/> does.</summary>
    private const int UnstoredMax = 8192;

    /// <summary>Of the serializer that a journal of actors has for the same bytes.</summary>
    private const int SerializerId = 1002;

    private readonly Lock _lock = new();
    private readonly SqliteJournal _file;
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _insert;
    private readonly TimeProvider _time;
    private readonly string _id;
    private Batch _next = new();
    private Batch? _writing;
    private StudyDeclaration? _study;
    private StudyDeclaration? _declared;
    private Exception? _broken;
    private bool _isIdentified;
    private long _sequence;

    private StudyJournal(SqliteJournal file, SqliteConnection connection, TimeProvider time)
    {
        (_file, _connection, _time) = (file, connection, time);
        Execute($"""
            CREATE TABLE IF NOT EXISTS {FunctionStudyFile.Lines} (line INTEGER PRIMARY KEY NOT NULL, text TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS {FunctionStudyFile.Declaration} (one INTEGER PRIMARY KEY CHECK (one = 1), manifest TEXT NOT NULL, body BLOB NOT NULL);
            """);
        _id = Text("SELECT persistence_id FROM journal LIMIT 1") ?? $"{StudyJournalFile.Prefix}{Path.GetFileNameWithoutExtension(file.Place)}";
        _insert = _connection.CreateCommand();
        _insert.CommandText = $"""
            INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier, writer_uuid)
            VALUES ($created, 0, $id, $sequence, $message, $manifest, {SerializerId}, $writer)
            """;
        _insert.Parameters.Add("$created", SqliteType.Integer);
        _insert.Parameters.Add("$id", SqliteType.Text).Value = _id;
        _insert.Parameters.Add("$sequence", SqliteType.Integer);
        _insert.Parameters.Add("$message", SqliteType.Blob);
        _insert.Parameters.Add("$manifest", SqliteType.Text);
        _insert.Parameters.Add("$writer", SqliteType.Text).Value = Guid.NewGuid().ToString();
        _insert.Prepare();
    }

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">Of the SQLite file, on a disk of this machine: it holds this one study.</param>
    /// <param name="time">When events are stored; null = the system's clock.</param>
    /// <exception cref="SpecException">It cannot be opened, another process has it, or a newer version wrote it.</exception>
    public static StudyJournal Open(string path, TimeProvider? time = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = new SqliteJournal(Path.GetFullPath(path));
        file.Prepare();
        try
        {
            file.TakeAsync().GetAwaiter().GetResult();
        }
        catch (IOException)
        {
            throw new SpecException("journal", $"{file.Place} is in use: a study is written by one process, and opened there once, at a time; "
                + "dispose of the other one or wait for its end, or use another file");
        }
        try
        {
            return new StudyJournal(file, file.OpenConnection(), time ?? TimeProvider.System);
        }
        catch
        {
            file.Release();
            throw;
        }
    }

    IEnumerable<StudyEvent> IStudyJournal.Open(StudyDeclaration study)
    {
        _study = study;
        var before = new List<string>();
        Read($"SELECT text FROM {FunctionStudyFile.Lines} ORDER BY line", reader => before.Add(reader.GetString(0)));
        _isIdentified = before.Count > 0;
        if (!_isIdentified && Text("SELECT manifest FROM journal LIMIT 1") is not null)
            throw new SpecException("journal", $"{_file.Place} is no journal of a study over a function; one of a sweep goes on by 'sweep --resume'");
        _declared = _isIdentified ? FunctionStudyFile.DeclarationIn(_connection) : null;
        // of another space the study says whether it is a wider one
        bool maySpaceDiffer = _declared is { IsDefinedByRun: false };
        IReadOnlyList<string> Compared(IReadOnlyList<string> lines) => maySpaceDiffer ? [.. lines.Where(l => !StudyDeclaration.IsOfSpace(l))] : lines;
        if (_isIdentified && Difference(Compared(before), Compared(study.Lines)) is { } difference)
            throw new SpecException("journal", $"{_file.Place} holds another study: {difference}; use another file, or the setup that it was begun with");
        // earlier versions have stored none
        if (_isIdentified && _declared is null) Declare(study);
        return Events();
    }

    StudyDeclaration? IStudyJournal.Declared => _declared;

    void IStudyJournal.Append(StudyEvent e)
    {
        lock (_lock)
        {
            if (_broken is { } why) throw new InvalidOperationException($"nothing can be stored in {_file.Place} any more: {why.Message}", why);
            _next.Events.Add(e);
            if (_writing is null) Begin();
        }
    }

    Task IStudyJournal.StoredAsync()
    {
        lock (_lock)
        {
            if (_next.Events.Count > 0) return _next.Stored.Task;
            return _writing?.Stored.Task ?? (_broken is null ? Task.CompletedTask : Task.FromException(_broken));
        }
    }

    Task IStudyJournal.RoomAsync()
    {
        lock (_lock) return _next.Events.Count >= UnstoredMax && _writing is { } writing ? writing.Stored.Task : Task.CompletedTask;
    }

    IReadOnlyList<TimedEvent> IStudyJournal.Stored() => StudyJournalFile.Read(_file.Place, _id[StudyJournalFile.Prefix.Length..], "journal");

    /// <summary>Stores what has been taken, and lets others have the file.</summary>
    public void Dispose()
    {
        while (true)
        {
            Task? stored;
            lock (_lock)
            {
                _broken ??= new ObjectDisposedException(nameof(StudyJournal));
                stored = _writing?.Stored.Task;
            }
            if (stored is null) break;
            // what went wrong was told to those who waited for it
            Task.WhenAny(stored).GetAwaiter().GetResult();
        }
        _insert.Dispose();
        _connection.Dispose();
        _file.Release();
    }

    /// <summary>Under the lock: what has come goes to the disk.</summary>
    private void Begin()
    {
        (_writing, _next) = (_next, new Batch());
        _ = Task.Run(Write);
    }

    private void Write()
    {
        while (true)
        {
            var batch = _writing!;
            Exception? wrong = null;
            try
            {
                Store(batch.Events);
            }
            catch (Exception e)
            {
                wrong = new IOException($"{_file.Place} cannot be written ({e.Message}): the study can be opened again, and has all that was stored", e);
            }
            Batch? lost = null;
            bool goesOn;
            lock (_lock)
            {
                _broken ??= wrong;
                if (wrong is not null) (lost, _next) = (_next, new Batch());
                _writing = null;
                goesOn = _next.Events.Count > 0;
                if (goesOn) (_writing, _next) = (_next, new Batch());
            }
            batch.End(wrong);
            lost?.End(wrong);
            if (!goesOn) return;
        }
    }

    private void Store(List<StudyEvent> events)
    {
        using var transaction = _connection.BeginTransaction();
        _insert.Transaction = transaction;
        if (!_isIdentified)
        {
            var study = _study ?? throw new InvalidOperationException("the journal is of no study yet: it is opened by one");
            for (int i = 0; i < study.Lines.Count; i++) Insert($"INSERT INTO {FunctionStudyFile.Lines} VALUES ($0, $1)", i, study.Lines[i]);
            Declare(study);
        }
        long now = _time.GetUtcNow().UtcTicks, sequence = _sequence;
        var parameters = _insert.Parameters;
        parameters["$created"].Value = now;
        foreach (var e in events)
        {
            var entry = StudyJournalCodec.Write(e);
            parameters["$sequence"].Value = ++sequence;
            parameters["$message"].Value = entry.Body;
            parameters["$manifest"].Value = entry.Manifest;
            _insert.ExecuteNonQuery();
        }
        transaction.Commit();
        (_isIdentified, _sequence) = (true, sequence);
    }

    private void Declare(StudyDeclaration study)
    {
        var entry = StudyJournalCodec.Write(study);
        Insert($"INSERT INTO {FunctionStudyFile.Declaration} VALUES (1, $0, $1)", entry.Manifest, entry.Body);
    }

    private IEnumerable<StudyEvent> Events()
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT sequence_number, manifest, message FROM journal WHERE deleted = 0 AND persistence_id = $id ORDER BY sequence_number";
        command.Parameters.AddWithValue("$id", _id);
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            long sequence = reader.GetInt64(0);
            if (sequence != _sequence + 1) throw Unreadable($"event {_sequence + 1} is missing");
            _sequence = sequence;
            yield return Event(reader.GetString(1), reader.GetFieldValue<byte[]>(2));
        }
    }

    private StudyEvent Event(string manifest, byte[] bytes)
    {
        try
        {
            return StudyJournalCodec.Read(manifest, bytes);
        }
        catch (JournalException e)
        {
            throw Unreadable(e.Message);
        }
    }

    private SpecException Unreadable(string why) => new("journal", $"{_file.Place} cannot be read: {why}");

    private static string? Difference(IReadOnlyList<string> before, IReadOnlyList<string> now)
    {
        for (int i = 0; i < Math.Max(before.Count, now.Count); i++)
        {
            string? was = i < before.Count ? before[i] : null, here = i < now.Count ? now[i] : null;
            if (was != here) return was is null ? $"there, no {here}" : here is null ? $"there, {was}" : $"there, {was}; here, {here}";
        }
        return null;
    }

    private void Insert(string sql, object first, object second)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$0", first);
        command.Parameters.AddWithValue("$1", second);
        command.ExecuteNonQuery();
    }

    private void Execute(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private string? Text(string sql)
    {
        string? text = null;
        Read(sql, reader => text ??= reader.GetString(0));
        return text;
    }

    private void Read(string sql, Action<SqliteDataReader> row)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        while (reader.Read()) row(reader);
    }

    /// <summary>Events that go to the disk together.</summary>
    private sealed class Batch
    {
        public List<StudyEvent> Events { get; } = [];

        public TaskCompletionSource Stored { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void End(Exception? wrong)
        {
            if (wrong is null) Stored.SetResult();
            else Stored.SetException(wrong);
        }
    }
}
