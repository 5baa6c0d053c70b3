using DistOpt.Core.Datasets;
using static DistOpt.Core.Tests.Datasets.TemporaryFolder;

namespace DistOpt.Core.Tests.Datasets;

public sealed class ImageFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>An "image" is one byte, which becomes every pixel plus the channel's number; 255 is corrupt.</summary>
    private sealed class FakeDecoder : IImageDecoder
    {
        public void Decode(ReadOnlySpan<byte> file, int height, int width, int channels, Span<byte> pixels)
        {
            if (file.Length != 1 || file[0] == 255) throw new InvalidDataException("unknown format.");
            Assert.Equal(channels * height * width, pixels.Length);
            for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)(file[0] + i / (height * width));
        }
    }

    private ISupervisedSource Open(ImagesOptions? options = null) =>
        DatasetCatalog.Create().Get("images")((options ?? new()) with { Path = "i" },
            _folder.Environment with { ImageDecoder = new FakeDecoder() });

    private void WriteAll()
    {
        _folder.Write("i/dog/b.png", [3]);
        _folder.Write("i/dog/a.JPG", [2]);
        _folder.Write("i/cat/z.jpeg", [1]);
        // neither classes nor images
        _folder.Write("i/cat/notes.txt", [9]);
        _folder.Write("i/cat/._z.png", [9]);
        _folder.Write("i/.git/x.png", [9]);
        _folder.Write("i/top.png", [9]);
    }

    [Fact]
    public void Folders_are_classes_and_files_come_in_ordinal_order()
    {
        WriteAll();
        var images = Open(new ImagesOptions { Size = [2, 3], Channels = 3 });
        Assert.Equal((3, 0), (images.Count, images.TestCount));
        Assert.Equal(["cat", "dog"], images.Info.Classes);
        Assert.Equal([3, 2, 3], images.Info.InputShape);
        Assert.Equal([0, 1, 1], images.Labels.ToArray());
        var input = new float[18];
        images.CopyInput(2, input);
        Assert.Equal([3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5], input);
    }

    [Fact]
    public void A_test_folder_gives_the_last_images_and_may_lack_classes()
    {
        WriteAll();
        _folder.Write("t/dog/x.png", [7]);
        var images = Open(new ImagesOptions { TestPath = "t" });
        Assert.Equal((4, 1), (images.Count, images.TestCount));
        Assert.Equal(1, images.Labels[3]);
        _folder.Write("t/cow/x.png", [7]);
        Assert.Equal([$"data.test_path: {_folder["t"]} has a folder 'cow', but data.path has no such class"],
            Complaints(() => Open(new ImagesOptions { TestPath = "t" })));
    }

    [Fact]
    public void All_corrupt_images_are_named_in_order()
    {
        WriteAll();
        _folder.Write("i/dog/b.png", [255]);
        _folder.Write("i/cat/q.png", []);
        Assert.Equal(
        [
            $"{_folder["i/cat/q.png"]}: is no readable image (unknown format): replace or remove it",
            $"{_folder["i/dog/b.png"]}: is no readable image (unknown format): replace or remove it",
        ], Complaints(() => Open()));
        for (int i = 0; i < 20; i++) _folder.Write($"i/cow/{i:00}.png", [255]);
        string[] many = Complaints(() => Open());
        Assert.Equal(ImageFolder.ViolationsMax + 1, many.Length);
        Assert.Equal("12 more images cannot be read", many[^1]);
    }

    [Fact]
    public void Folders_that_make_no_classification_are_refused()
    {
        Assert.Equal([$"data.path: the folder {_folder["i"]} does not exist: name a folder that holds a folder for each class"],
            Complaints(() => Open()));
        _folder.Write("i/cat/z.png", [1]);
        Assert.Equal([$"data.path: {_folder["i"]} has 1 folders, but a classification needs at least 2: one for each class, with its "
            + "images"],
            Complaints(() => Open()));
        Directory.CreateDirectory(_folder["i/dog"]);
        Assert.Equal([$"data.path: the class folder {_folder["i/dog"]} has no .png, .jpg or .jpeg file: add some, or remove it"],
            Complaints(() => Open()));
    }

    [Fact]
    public void More_than_the_memory_bound_is_refused_before_anything_is_decoded()
    {
        WriteAll();
        Assert.Equal(["data.max_memory_mib: is 1, but 3 images of 3x1024x1024 take 9 MiB (and at most 2047 can be held): raise it, or "
            + "make data.size smaller"],
            Complaints(() => Open(new ImagesOptions { Size = [1024, 1024], MaxMemoryMib = 1 })));
    }

    [Fact]
    public void Bad_options_are_reported_together() =>
        Assert.Equal(
        [
            "data.path: is missing: name the folder that holds a folder for each class",
            "data.size: is [0], but must be [height, width], each from 1 to 4096",
            "data.channels: is 2, but must be 1 (grey) or 3 (red, green, blue)",
            "data.name: images need an image decoder, and this program has none: set DataEnvironment.ImageDecoder",
        ], Complaints(() => DatasetCatalog.Create().Get("images")(new ImagesOptions { Size = [0], Channels = 2 }, _folder.Environment)));
}
